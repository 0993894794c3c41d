import {
  environment,
  excerpt,
  getRequest,
  invoke,
  output,
  serviceUrl,
  WAITING,
  waitForAnswer,
} from "./environment";

const { services, functions } = environment().settings;

test("all that the settings ask for is there", () => {
  for (const service of Object.keys(services)) output(`service_${service}_url`);
  for (const name of Object.keys(functions)) output(`function_${name}_name`);
});

for (const [service, { healthPath, paths }] of Object.entries(services)) {
  // The load balancer itself asks every task; from outside, a service is reached by its own paths alone.
  if (paths.some((pattern) => matches(pattern, healthPath.split("?")[0]!)))
    test(
      `the service ${service} is well`,
      async () => {
        await waitForAnswer(serviceUrl(service, healthPath));
      },
      WAITING,
    );
  else
    test(
      `the service ${service} answers`,
      async () => {
        await waitForAnswer(serviceUrl(service), ({ status }) => status < 500);
      },
      WAITING,
    );
}

for (const name of Object.keys(functions))
  test(
    `the function ${name} answers`,
    async () => {
      const result = await invoke(name, getRequest("/"));
      const { statusCode = 200 } = (result ?? {}) as { statusCode?: number };
      if (statusCode >= 400)
        throw new Error(`The function ${name} answers: ${excerpt(JSON.stringify(result))}`);
    },
    WAITING,
  );

/** Whether a path pattern of the load balancer means a path: `*` is any text, `?` one character. */
function matches(pattern: string, path: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`).test(path);
}
