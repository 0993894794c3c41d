import * as z from "zod";
import { PULL_REQUESTS } from "../shared/previews";
import { cidrProblem } from "./cidr";
import { nearest, type Path, print, printAll } from "./problems";
import {
  ACCESSES,
  APPROVALS,
  EXECUTIONS,
  FRONTS,
  FUNCTION_RELEASES,
  NATS,
  NEWS,
  SERVICE_RELEASES,
} from "./types";

/** How a value is told about to people when it is not what it should be. */
export interface Help {
  /** Completes "… is not". */
  readonly is: string;
  readonly allowed: string;
  /** A value as the file would give it. */
  readonly example: string;
  /** What is wrong, where that is more than "… is not …". */
  readonly what?: (given: unknown, written: string) => string | undefined;
  /** What to do, where that is more than to write something like the example. */
  readonly mend?: (given: unknown, written: string) => string | undefined;
  /** Whether people could have put a secret there: it is not shown, then. @default false */
  readonly isHidden?: boolean;
}

/** A single value; its help reaches the problem with zod's issue. */
const leaf = <T>(test: (value: unknown) => boolean, help: Help) => z.custom<T>(test, { params: help });

const quoted = (given: unknown, written: string) =>
  typeof given === "number" || typeof given === "boolean" ? `Put it in quotes: "${written}".` : undefined;

const text = (pattern: RegExp, help: Help) =>
  leaf<string>((value) => typeof value === "string" && pattern.test(value), {
    ...help,
    mend: (given, written) => quoted(given, written) ?? help.mend?.(given, written),
  });

const whole = (
  min: number,
  max: number,
  is: string,
  example: number,
  unit = "",
  help: Pick<Help, "what" | "mend"> = {},
) =>
  leaf<number>((value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max, {
    is,
    allowed: `a whole number from ${min} to ${max}${unit && ` ${unit}`}, without quotes`,
    example: String(example),
    ...help,
    mend: (given, written) =>
      typeof given === "string" && /^\d{1,9}$/.test(given)
        ? `Leave out the quotes: ${given}.`
        : help.mend?.(given, written),
  });

const oneOf = <const T extends readonly (string | number)[]>(values: T, is: string, example: T[number]) =>
  leaf<T[number]>((value) => values.includes(value as T[number]), {
    is,
    allowed: printAll(values),
    example: print(example),
    mend: (given) => {
      const near = nearest(given, values.map(String));
      return near && `Write ${typeof values[0] === "string" ? print(near) : near}.`;
    },
  });

const flag = (is: string, example: boolean) =>
  leaf<boolean>((value) => typeof value === "boolean", {
    is,
    allowed: "true, false (without quotes)",
    example: String(example),
  });

const NAME_IN_WORDS =
  "1 to 16 of a–z, 0–9 and single dashes, beginning with a letter, not ending with a dash";
const NAME = /^(?!.*(?:--|-$))[a-z][a-z0-9-]{0,15}$/;

/** A map whose names end up in the names of AWS resources. */
const named = <T extends z.ZodType>(thing: string, value: T, help: Partial<Help> = {}, reserved?: RegExp) => {
  // Image repositories and load balancers refuse a dash at the end; repositories also two in a row.
  const usable = (name: unknown) => typeof name === "string" && NAME.test(name) && !reserved?.test(name);
  return z.record(
    leaf<string>(usable, {
      is: `a name for ${thing}`,
      allowed: NAME_IN_WORDS,
      example: "",
      mend: (given) => {
        const plain = String(given)
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, "-");
        const better = plain.replace(/^[^a-z]+|-+$/g, "");
        return usable(better) ? `Rename it, for example to ${better}.` : "Rename it.";
      },
      ...help,
    }),
    value,
  );
};

const account = text(/^\d{12}$/, {
  is: "an AWS account number",
  allowed: "12 digits in quotes",
  example: '"111111111111"',
  what: (given, written) =>
    typeof given === "number"
      ? `${written} is a number; an account number is text, because a number loses its leading zeros.`
      : undefined,
  mend: (given) => {
    const digits = typeof given === "string" ? given.replace(/[\s-]/g, "") : "";
    return /^\d{12}$/.test(digits) ? `Write "${digits}".` : undefined;
  },
});

const region = text(/^[a-z]{2,4}(-[a-z]+){1,2}-[1-9]$/, {
  is: "an AWS region",
  allowed: 'the code of a region, as "eu-west-1"',
  example: '"eu-west-1"',
  mend: (given) => {
    const zone = /^([a-z]{2,4}(?:-[a-z]+){1,2}-[1-9])[a-z]$/.exec(String(given));
    return zone ? `That is one zone of a region: write "${zone[1]}".` : undefined;
  },
});

const variableName = (
  reserved?: RegExp,
  allowed = "letters, digits and underscores, not beginning with a digit, and none that AWS itself sets",
) =>
  leaf<string>((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(String(name)) && !reserved?.test(String(name)), {
    is: "a name that you can give an environment variable here",
    allowed,
    example: "",
    mend: () => "Rename it, for example to LOG_LEVEL.",
  });

const variables = (reserved?: RegExp) =>
  z.record(
    variableName(reserved),
    leaf<string>((value) => typeof value === "string", {
      is: "text",
      allowed: "text in quotes",
      example: '"info"',
      mend: quoted,
    }),
  );

/** Secrets Manager's names hold no #; ECS finds the field behind it. Parameters of /aws are nobody's own. */
const SECRET_REFERENCE =
  /^(?:secretsmanager:[\w/+=.@-]{1,512}(?:#[\w.-]{1,128})?|ssm:\/(?!(?:aws|ssm)(?:\/|$))[\w./-]{1,1000})$/;

const secrets = z.record(
  variableName(
    /^PORT$/,
    "letters, digits and underscores, not beginning with a digit; not PORT, which is the service's port",
  ),
  text(SECRET_REFERENCE, {
    is: "a reference to a secret",
    allowed:
      '"secretsmanager:<name>", "secretsmanager:<name>#<field of its JSON>" or "ssm:/<path>", of the environment\'s account',
    example: '"secretsmanager:hello/db#password"',
    what: () => "It is no reference to a secret; its value is not shown here.",
    mend: (given) =>
      /^(?:secretsmanager|ssm):/i.test(String(given))
        ? "Compare its name, which is not an ARN, with what is allowed."
        : "Keep the value in AWS Secrets Manager or Parameter Store, and name it here. If a value was committed, change it.",
    isHidden: true,
  }),
);

/** Lambda refuses to create a function with these. */
const SET_BY_LAMBDA =
  /^(_HANDLER|_X_AMZN_TRACE_ID|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_LAMBDA_\w+|AWS_ACCESS_KEY(_ID)?|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR)$/;

const range = (from: number, to: number, step: number) =>
  Array.from({ length: (to - from) / step + 1 }, (_, i) => from + i * step);

/** CPU units of Fargate with the amounts of memory, in MiB, that each goes with. */
export const FARGATE_MEMORY: Readonly<Record<number, readonly number[]>> = {
  256: [512, 1024, 2048],
  512: range(1024, 4096, 1024),
  1024: range(2048, 8192, 1024),
  2048: range(4096, 16384, 1024),
  4096: range(8192, 30720, 1024),
  8192: range(16384, 61440, 4096),
  16384: range(32768, 122880, 8192),
};

const DOCKERFILE = /^(?=.{1,200}$)(?!(?:.*\/)?\.{1,2}(?:\/|$))[\w.][\w.@+-]*(?:\/[\w.@+-]+)*$/;
const dockerfile = text(DOCKERFILE, {
  is: "the path of a Dockerfile",
  allowed:
    "a path relative to the repository's root: letters, digits, dots, dashes and underscores between /, without ..",
  example: '"app/Dockerfile"',
  mend: (given) => {
    const path = String(given)
      .replaceAll("\\", "/")
      .replace(/^(?:\.?\/)+/, "");
    return DOCKERFILE.test(path) ? `Write "${path}".` : undefined;
  },
});

const requestPath = (example: string) =>
  text(/^\/[!-~]{0,1023}$/, {
    is: "a path",
    allowed: "a path that begins with / and holds no spaces",
    example,
    mend: (given) => (/^[\w.-][\w./-]*$/.test(String(given)) ? `Write "/${given}".` : undefined),
  });

const someText = (example: string) =>
  text(/^[\s\S]+$/, { is: "text", allowed: "text in quotes, not empty", example });

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** How long they may take together is checked in checks.ts. */
const MOST_CHECKS = 20;

const requestFields = {
  method: oneOf(METHODS, "a method", "GET"),
  body: someText('"{}"'),
  status: whole(100, 599, "a status", 200),
};
const answerFields = {
  contains: someText('"ok"'),
  within_ms: whole(1, 60000, "a time", 5000, "milliseconds"),
};
const requestCheck = z.strictObject({
  path: requestPath('"/health"'),
  ...z.strictObject({ ...requestFields, ...answerFields }).partial().shape,
});

const eventText = leaf<string>((value) => typeof value === "string" && isJson(value), {
  is: "JSON",
  allowed: "JSON as text",
  example: '"{}"',
});

/** What a function is asked: a request, or an event. */
const functionCheck = z
  .strictObject({ path: requestPath('"/"'), event: eventText, ...requestFields, ...answerFields })
  .partial()
  .superRefine((check, context) => {
    const refuse = (key: string, help: Help) =>
      context.addIssue({ code: "custom", path: [key], params: { ...help } });
    if (check.event === undefined) {
      if (check.path !== undefined) return;
      refuse("path", {
        is: "a path",
        allowed: 'path = "/…" for a request, or event = "{}" for an event',
        example: '"/"',
      });
      return;
    }
    for (const key of ["path", ...Object.keys(requestFields)] as (keyof typeof check)[])
      if (check[key] !== undefined)
        refuse(key, {
          is: "part of an event",
          allowed: "with event: contains and within_ms",
          example: "",
          what: () => "event is given, too: a check is a request or an event.",
          mend: () => "Take one of them out, or make two checks of it.",
        });
  });

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

/** The last label of a host name is never a number: so no address of IPv4 is one. */
const HOST_NAME = /^(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)(?!\d+$)[a-z0-9-]{1,63}(?<!-)$/;
/** DNS allows 253, but the first name of a certificate (RFC 5280) only these, and ours has no other but a pattern. */
const LONGEST_CERTIFIED_NAME = 64;
/** What a listener rule compares. */
const LONGEST_HOST_HEADER = 128;

const hostName = (help: Pick<Help, "is" | "example">, longest: number) => {
  const isHostName = (value: unknown) =>
    typeof value === "string" && value.length <= longest && HOST_NAME.test(value);
  return leaf<string>(isHostName, {
    ...help,
    allowed: `at most ${longest} lower-case letters, digits, dashes and dots, without https:// and without a dot at the end`,
    what: (given) =>
      typeof given === "string" && given.length > longest ? `It has ${given.length} characters.` : undefined,
    mend: (given) => {
      const name = String(given)
        .toLowerCase()
        .replace(/^[a-z]+:\/\//, "")
        .replace(/\.?([:/?#].*)?$/, "");
      return isHostName(name) ? `Write "${name}".` : undefined;
    },
  });
};

/** Those below are for root to listen on, and nothing in a container should be root. */
const LEAST_PORT = 1024;
const isRoots = (given: unknown) => typeof given === "number" && given > 0 && given < LEAST_PORT;

const serviceFields = {
  port: whole(LEAST_PORT, 65535, "a port", 8080, "", {
    what: (given, written) =>
      isRoots(given)
        ? `${written} is below ${LEAST_PORT}: only root may listen there, and containers do not run as root.`
        : undefined,
    mend: (given) =>
      isRoots(given)
        ? "Let the container listen where its variable PORT says, and write port = 8080: users reach the load balancer's port, not this one."
        : undefined,
  }),
  cpu: oneOf(Object.keys(FARGATE_MEMORY).map(Number), "an amount of CPU that Fargate has", 256),
  memory: whole(512, 122880, "an amount of memory that Fargate has", 512, "MiB"),
  health_path: requestPath('"/health"'),
  // A listener rule takes five values in its conditions.
  paths: z
    .array(
      text(/^\/[\w.$/~"'@:+*?&-]{0,127}$/, {
        is: "a path pattern",
        allowed: "text that begins with /, in which * stands for any text and ? for one character",
        example: '"/api/*"',
      }),
    )
    .min(1)
    .max(5),
  hosts: z
    .array(hostName({ is: "a host name", example: '"api.dev.example.com"' }, LONGEST_HOST_HEADER))
    .max(5),
  min_count: whole(1, 1000, "a number of tasks", 1),
  max_count: whole(1, 1000, "a number of tasks", 4),
  requests_per_task: whole(1, 1000000, "a number of requests", 1000, "a minute"),
  slow_ms: whole(1, 60000, "a time", 2000, "milliseconds"),
  checks: z.array(requestCheck).max(MOST_CHECKS),
  exec: flag("true or false", false),
  variables: variables(),
  secrets,
};
const serviceChanges = z.strictObject(serviceFields).partial();
const service = z.strictObject({
  ...serviceChanges.shape,
  port: serviceFields.port,
  // No environment has another: what was tried in one is what runs in the next.
  dockerfile: dockerfile.optional(),
});

const functionChanges = z
  .strictObject({
    memory: whole(128, 10240, "an amount of memory that Lambda has", 256, "MiB"),
    timeout_seconds: whole(1, 900, "a time that Lambda allows", 10, "seconds"),
    reserved_concurrency: whole(1, 100000, "a number of executions", 5),
    front: oneOf(FRONTS, "what can stand in front of a function", "url"),
    access: oneOf(ACCESSES, "a way to let callers in", "iam"),
    slow_ms: whole(1, 900000, "a time", 8000, "milliseconds"),
    checks: z.array(functionCheck).max(MOST_CHECKS),
    variables: variables(SET_BY_LAMBDA),
  })
  .partial();

/** Days that CloudWatch Logs can keep a group's events for. */
const LOG_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

const environmentChoices = z
  .strictObject({
    region,
    approval: oneOf(APPROVALS, "an approval", "always"),
    service_release: oneOf(SERVICE_RELEASES, "a way to release a service", "all-at-once"),
    function_release: oneOf(FUNCTION_RELEASES, "a way to release a function", "all-at-once"),
    bake_minutes: whole(0, 1440, "a time to keep old tasks for", 5, "minutes"),
    cidr: leaf<string>((value) => cidrProblem(value) === undefined, {
      is: "a private address range",
      allowed: "a range of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, from /16 to /22",
      example: '"10.10.0.0/16"',
      what: (given) => cidrProblem(given)?.what,
      mend: (given) => cidrProblem(given)?.mend,
    }),
    nat: oneOf(NATS, "a way out", "single"),
    log_retention_days: oneOf(LOG_DAYS, "a number of days that CloudWatch keeps logs for", 30),
    deletion_protection: flag("true or false", true),
    domain: hostName({ is: "a host name", example: '"dev.example.com"' }, LONGEST_CERTIFIED_NAME),
    zone: hostName({ is: "the name of a hosted zone", example: '"example.com"' }, LONGEST_CERTIFIED_NAME),
    firewall: flag("true or false", true),
    admin_role: text(/^[\w+=,.@/-]{1,128}$/, {
      is: "the name of a role",
      allowed: "the role's name, not its ARN",
      example: '"OrganizationAccountAccessRole"',
      mend: (given) => {
        const name = /^arn:[\w-]+:iam::\d*:role\/([\w+=,.@/-]{1,128})$/.exec(String(given));
        return name ? `Write "${name[1]}".` : undefined;
      },
    }),
    admin_profile: text(/^[\w+=,.@/ -]{1,128}$/, {
      is: "the name of a profile",
      allowed: "a profile of your AWS configuration",
      example: '"prod-admin"',
    }),
    services: named("a service", serviceChanges),
    functions: named("a function", functionChanges),
  })
  .partial();
const environment = z.strictObject({ account, ...environmentChoices.shape });

/** @param groups - whether more than one level may stand before the name, as GitLab's groups nest */
const repository = (groups: boolean) =>
  text(new RegExp(`^(?=.{3,255}$)(?!.*\\.git$)[A-Za-z0-9][\\w.-]*(/[\\w.-]+)${groups ? "+" : ""}$`), {
    is: "a repository",
    allowed: '"owner/name", without the host and without .git',
    example: '"acme/hello"',
    mend: (given) => {
      const path = /^(?:https?:\/\/[^/]+\/|git@[^:]+:)?([\w.-]+(?:\/[\w.-]+?)+)(?:\.git)?\/?$/.exec(
        String(given),
      );
      return path ? `Write "${path[1]}".` : undefined;
    },
  });

const HOSTS = ["GitHub", "GitLab", "Bitbucket"] as const;

const source = z.discriminatedUnion("provider", [
  z.strictObject({
    provider: z.literal("github-token"),
    repository: repository(false),
    polling: flag("true or false", false).optional(),
  }),
  z.strictObject({
    provider: z.literal("connection"),
    repository: repository(true),
    host: oneOf(HOSTS, "a host", "GitHub").optional(),
  }),
  z.strictObject({
    provider: z.literal("codecommit"),
    repository: text(/^(?!.*\.git$)[\w.-]{1,100}$/, {
      is: "a CodeCommit repository",
      allowed: "its name alone: letters, digits, dots, dashes and underscores",
      example: '"hello"',
    }),
  }),
]);

/** Whether Git takes the text as a branch's name, or with `*` as a pattern of such names. */
function isBranch(value: unknown, pattern: boolean): boolean {
  if (typeof value !== "string" || value.length > 200) return false;
  if (!(pattern ? /^[^\s~^:?[\]\\{}!,]+$/ : /^[^\s~^:?*[\]\\]+$/).test(value)) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u0020\u007f]|\.\.|@\{|^-|^@$|\.$/.test(value)) return false;
  return value.split("/").every((part) => part !== "" && !part.startsWith(".") && !part.endsWith(".lock"));
}

const branch = leaf<string>((value) => isBranch(value, true) && /[^*/]/.test(String(value)), {
  is: "the name of a branch",
  allowed:
    'a branch as Git names it, without refs/heads/; or a pattern in which * stands for any text, as "release/*"',
  example: '"main"',
});

const file = text(/^(?!\/)(?!.*\.\.)[^\s\\,]{1,255}$/, {
  is: "a pattern of files",
  allowed: "a path from the repository's root, in which * stands for a name and ** for any path",
  example: '"services/**"',
});

const reference = (thing: string, example: string) =>
  leaf<string>((value) => typeof value === "string" && value !== "", {
    is: `the name of ${thing}`,
    allowed: `${thing} of this file`,
    example,
  });

const pipeline = z.strictObject({
  branch,
  deploy: z.array(z.array(reference("an environment", '"dev"')).min(1)).min(1),
  paths: z.array(file).min(1).max(8).optional(),
  execution: oneOf(EXECUTIONS, "an execution mode", "superseded").optional(),
  builds_at_once: whole(1, 50, "a number of builds", 10).optional(),
  trial: z
    .strictObject({
      environment: reference("an environment", '"dev"'),
      regions: z.array(region).min(1).max(20),
    })
    .optional(),
});

/** Branches, or patterns of them. */
const branches = z.array(branch).min(1).max(20);

const preview = z.strictObject({
  pipeline: reference("a pipeline", '"main"'),
  environment: reference("an environment", '"dev"'),
  exclude: branches.optional(),
  into: branches.optional(),
  ttl_hours: whole(1, 8760, "a time to live", 72, "hours").optional(),
  limit: whole(1, 100, "a number of previews", 10).optional(),
});

const email = text(/^(?=.{3,254}$)[^\s@<>,;]+@[^\s@.<>,;]+(\.[^\s@.<>,;]+)+$/, {
  is: "an e-mail address",
  allowed: "an address without a display name",
  example: '"team@example.com"',
});

/** What somebody hears of. */
const choice = z
  .strictObject({
    events: z.array(oneOf(NEWS, "something that is told of", "failure")).min(1),
    pipelines: z.array(reference("a pipeline", '"main"')).min(1),
  })
  .partial();

/** Everything that a settings file may hold, each value by itself; what joins several is checked in checks.ts. */
export const settingsFile = z.strictObject({
  project: text(/^(?!.*(?:--|-$))[a-z][a-z0-9-]{1,19}$/, {
    is: "a project name",
    allowed: "2 to 20 of a–z, 0–9 and single dashes, beginning with a letter, not ending with a dash",
    example: '"hello"',
  }),
  region,
  account,
  git: source,
  services: named(
    "a service",
    service,
    { allowed: `${NAME_IN_WORDS}; not load-balancer, endpoints or preview, which are Slipway's own` },
    /^(load-balancer|endpoints|preview)$/,
  ).optional(),
  functions: named(
    "a function",
    functionChanges,
    { allowed: `${NAME_IN_WORDS}; not delivery-… or …-check, which are Slipway's own` },
    /^delivery-|-check$/,
  ).optional(),
  environments: named(
    "an environment",
    environment,
    {
      allowed: `${NAME_IN_WORDS}; not bootstrap, delivery, state, artifacts, previews, pv…, access-…, delivery-…, pipeline-… or preview-…, which are Slipway's own`,
    },
    /^(bootstrap|delivery|state|artifacts|previews)$|^pv|^(access|delivery|pipeline|preview)-/,
  ),
  pipelines: named(
    "a pipeline",
    pipeline,
    {
      allowed: `${NAME_IN_WORDS}; not delivery, preview, pv, or one that begins with one of them and a dash: these are Slipway's own`,
    },
    /^(delivery|preview|pv)(-|$)/,
  ),
  previews: z
    .record(
      leaf<string>((key) => key === PULL_REQUESTS || (isBranch(key, true) && /[^*/]/.test(String(key))), {
        is: "a pattern of branches",
        allowed: 'a branch as Git names it, in which * stands for any text, as "feature/*"; or pull_requests',
        example: "",
        mend: () => 'Name the branches that are to be previewed, for example "feature/*".',
      }),
      preview,
    )
    .optional(),
  notifications: z
    .strictObject({
      emails: z.array(email).optional(),
      subscribers: z.record(email, choice).optional(),
      chat: choice.optional(),
      commit_status: flag("a yes or no to commit statuses", true).optional(),
      pages: flag("a yes or no to report pages", true).optional(),
      drift: flag("a yes or no to looking for drift", true).optional(),
    })
    .optional(),
});

/** A settings file whose every value is allowed by itself. */
export type SettingsFile = z.infer<typeof settingsFile>;

/** Top-level keys of a settings file, in a fixed order. */
export const SETTINGS_KEYS = [
  "project",
  "region",
  "account",
  "git",
  "services",
  "functions",
  "environments",
  "pipelines",
  "previews",
  "notifications",
] as const satisfies readonly (keyof SettingsFile)[];

/** The keys that are known at a path, for "did you mean": the schema itself is the list. */
export function keysAt(path: Path, values: unknown): string[] {
  let schema: unknown = settingsFile;
  let value = values;
  const unwrap = () => {
    while (schema instanceof z.ZodOptional) schema = schema.unwrap();
    if (schema instanceof z.ZodDiscriminatedUnion) {
      const { provider } = value as { provider?: unknown };
      schema = schema.options.find(
        (option) => option instanceof z.ZodObject && option.shape.provider?.safeParse(provider).success,
      );
    }
  };
  for (const step of path) {
    unwrap();
    if (schema instanceof z.ZodObject) schema = schema.shape[step];
    else if (schema instanceof z.ZodRecord) schema = schema.valueType;
    else if (schema instanceof z.ZodArray) schema = schema.element;
    value = (value as Record<string | number, unknown>)[step];
  }
  unwrap();
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}
