import { LambdaClient } from "@aws-sdk/client-lambda";
import { functionTarget, httpTarget } from "../../../shared/check-targets";
import { type Check, serviceChecks, type Target } from "../../../shared/checks";
import { LIVE_ALIAS } from "../../../shared/names";
import { environment, expectGood, output, serviceUrl, waiting } from "./environment";

const { services, functions, region } = environment().settings;
const lambda = new LambdaClient({ region });
afterAll(() => lambda.destroy());

test("all that the settings ask for is there", () => {
  for (const service of Object.keys(services)) output(`service_${service}_url`);
  for (const name of Object.keys(functions)) output(`function_${name}_name`);
});

// The same that a release asks of a new version before it gets traffic.
for (const [name, service] of Object.entries(services))
  passes(`the service ${name}`, serviceChecks(service), () => httpTarget({ url: serviceUrl(name) }));

for (const [name, { checks }] of Object.entries(functions))
  passes(`the function ${name}`, checks, () =>
    functionTarget(lambda, output(`function_${name}_name`), LIVE_ALIAS),
  );

function passes(what: string, checks: readonly Check[], target: () => Target): void {
  for (const check of checks) {
    const question = "event" in check ? "an event" : `${check.method} ${check.path}`;
    test(`${what} answers ${question}`, () => expectGood(check, target()), waiting(check));
  }
}
