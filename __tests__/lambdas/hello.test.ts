import { handler } from "../../lambdas/hello";

afterEach(() => {
  delete process.env.PROJECT;
  delete process.env.AWS_LAMBDA_FUNCTION_VERSION;
});

test("says which project and which version answers", async () => {
  process.env.PROJECT = "hello";
  process.env.AWS_LAMBDA_FUNCTION_VERSION = "7";
  expect(await handler()).toEqual({
    statusCode: 200,
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: "hello from hello - v7",
  });
});

test("says so where no version was published", async () => {
  expect((await handler()).body).toBe("hello from slipway - v$LATEST");
});
