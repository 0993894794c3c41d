import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { deliveryNames, stateBucketName, stateKeyAlias, tokenSecretName } from "../../shared/names";
import { inParallel } from "../../shared/parallel";
import { demoEnvironment } from "../demo/environment";
import { plansAtOnce } from "../deployer/capacity";
import { Deployer } from "../deployer/deployer";
import { Initialization } from "../deployer/initialization";
import { Stack } from "../deployer/stack";
import { readStacks } from "../deployer/stacks";
import { startLocalAws } from "../local-aws";
import { UserError } from "../project";
import { projectSettings } from "../settings";
import { motoServer, terraform, terraformEnvironment } from "../toolchain";
import { type Benchmark, inTurn, seconds } from "./measure";

/** The plans of all stacks of the example by the deployer, against those that Terraform makes one after the other. */
export const benchmark: Benchmark = {
  name: "plans",
  // Two minutes a sample, most of it the baselines'.
  isSlow: true,
  lookAt: "docs/speed.md#plans",

  async run({ root, runs, log }) {
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
    const example = join(root, "terraform.tfvars.example");
    const settings = await projectSettings(example);
    const { account, region } = settings;
    const aws = await startLocalAws({ account, motoServer: await motoServer() });
    try {
      const env = demoEnvironment(process.env, { endpoint: aws.endpoint, region, githubToken: "" });
      const output = join(folder, "cdktf.out");
      cpSync(example, join(folder, "terraform.tfvars"));
      const app = [join(root, "tools/run.mjs"), "main.ts"];
      await seconds(process.execPath, app, { cwd: folder, env: { ...env, CDKTF_OUTDIR: output } });
      const stacks = readStacks(output);
      // What the plans of the pipelines read of what `bootstrap`, `delivery` and `connect` make.
      const config = {
        endpoint: aws.endpoint,
        region,
        credentials: { accessKeyId: "local", secretAccessKey: "local" },
      };
      const bucket = new CreateBucketCommand({
        Bucket: stateBucketName(settings),
        CreateBucketConfiguration: { LocationConstraint: region as "eu-west-1" },
      });
      await new S3Client({ ...config, forcePathStyle: true }).send(bucket);
      const token = new CreateSecretCommand({
        Name: tokenSecretName(settings),
        SecretString: JSON.stringify({ Token: "none" }),
      });
      await new SecretsManagerClient(config).send(token);
      const kms = new KMSClient(config);
      const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
      const TargetKeyId = KeyMetadata!.KeyId!;
      for (const AliasName of [stateKeyAlias(settings), deliveryNames(settings).keyAlias])
        await kms.send(new CreateAliasCommand({ AliasName, TargetKeyId }));

      /** As each is synthesized anew. */
      const forget = () => {
        for (const stack of stacks)
          for (const left of readdirSync(stack.folder).filter((name) => /^\.terraform|tfplan$/.test(name)))
            rmSync(join(stack.folder, left), { recursive: true, force: true });
      };
      const timed = async (what: string, work: () => Promise<void>) => {
        log(what);
        forget();
        const started = performance.now();
        await work();
        return (performance.now() - started) / 1000;
      };
      const sideBySide = () =>
        timed("side by side", async () => {
          const initialization = new Initialization();
          await inParallel(stacks, plansAtOnce(), ({ folder }) =>
            new Stack(folder, { env, initialization }).isUpToDate(),
          );
        });
      const reviewed = () =>
        timed("side by side, and their review", async () => {
          const { reviewed } = await new Deployer({ stacks, env, onNews: () => {} }).plan();
          for (const { name, failure } of reviewed.failed)
            throw new UserError(`${name} cannot be planned: ${failure}`);
        });
      const { path } = await terraform();
      const tools = { ...(await terraformEnvironment()), GOGC: process.env.GOGC };
      const oneByOne = (...commands: readonly (readonly string[])[]) =>
        timed(`one by one: ${commands.map(([command]) => command).join(", ")}`, async () => {
          for (const { folder: cwd } of stacks)
            for (const args of commands) await seconds(path, args, { cwd, env: { ...tools, ...env } });
        });
      const init = ["init", "-input=false"];
      const plan = ["plan", "-input=false", "-lock=false", "-out=one.tfplan"];
      const show = ["show", "-json", "one.tfplan"];
      const plain = await inTurn(runs, sideBySide, () => oneByOne(init, plan));
      const read = await inTurn(runs, reviewed, () => oneByOne(init, plan, show));
      return [
        {
          what: `plans of ${stacks.length} stacks`,
          unit: "s",
          samples: plain.a,
          baseline: { what: "init and plan, one by one", samples: plain.b },
          budget: { ratio: 0.6 },
        },
        {
          what: `plans of ${stacks.length} stacks, and their review`,
          unit: "s",
          samples: read.a,
          baseline: { what: "init, plan and show, one by one", samples: read.b },
          budget: { ratio: 0.6 },
        },
      ];
    } finally {
      await aws.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
