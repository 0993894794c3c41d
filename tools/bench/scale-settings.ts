/** Settings with a service, a function, and so many environments, each of which has a pipeline of its own. */
export function scaledSettings(environments: number): string {
  const names = Array.from({ length: environments }, (_, index) => `e${index}`);
  // Of the defaults, which names choose, some would be the same.
  const environment = (name: string, index: number) =>
    `  ${name} = { account = "${222222222222 + index}", approval = "${index % 2 ? "always" : "never"}", cidr = "10.${index}.0.0/16" }`;
  return `project = "hello"
region = "eu-west-1"
account = "111111111111"
git = { provider = "github-token", repository = "acme/hello" }
services = { web = { port = 8080 } }
functions = { hello = {} }
environments = {
${names.map(environment).join("\n")}
}
pipelines = {
${names.map((name) => `  ${name} = { branch = "${name}", deploy = [["${name}"]] }`).join("\n")}
}
notifications = { emails = ["team@example.com"] }
`;
}
