import {
  fits,
  isGood,
  type ListenerRule,
  redirectTo,
  ruleFor,
  Turns,
} from "../../../tools/local-aws/load-balancers/rules";

const asked = (url: string, more: { method?: string; headers?: Record<string, string> } = {}) => {
  const { hostname, pathname, searchParams } = new URL(url);
  const { method = "GET", headers = {} } = more;
  return {
    method,
    host: hostname,
    path: pathname,
    query: searchParams,
    header: (name: string) => headers[name.toLowerCase()],
  };
};

const rule = (priority: number, ...conditions: ListenerRule["conditions"]): ListenerRule => ({
  arn: String(priority),
  priority,
  conditions,
  actions: [],
});

test.each([
  ["/api/*", "/api/", true],
  ["/api/*", "/api", false],
  ["/api*", "/api", true],
  ["/a?c", "/abc", true],
  ["/a?c", "/ac", false],
  ["/img/*/x.png", "/img/a/b/x.png", true],
  ["/a.b", "/axb", false],
  ["/API", "/api", false],
])("the path pattern %s and %s: %s", (pattern, path, expected) => {
  expect(fits(pattern, path)).toBe(expected);
});

test("the rule of least priority is taken, whatever their order", () => {
  const path = (value: string) => ({ Field: "path-pattern", PathPatternConfig: { Values: [value] } });
  const rules = [rule(20, path("/*")), rule(3, path("/a/*")), rule(100, path("/a/b"))];
  const found = (url: string) => ruleFor(rules, asked(url))?.arn;
  expect([found("http://x/a/b"), found("http://x/b"), ruleFor(rules.slice(1), asked("http://x/"))]).toEqual([
    "3",
    "20",
    undefined,
  ]);
});

test("a rule wants all its conditions, of each one value", () => {
  const rules = [
    rule(
      1,
      { Field: "host-header", HostHeaderConfig: { Values: ["*.Example.com", "shop.test"] } },
      { Field: "http-request-method", HttpRequestMethodConfig: { Values: ["POST"] } },
      { Field: "http-header", HttpHeaderConfig: { HttpHeaderName: "X-Kind", Values: ["new*"] } },
      { Field: "query-string", QueryStringConfig: { Values: [{ Key: "v", Value: "2" }, { Value: "all" }] } },
    ),
  ];
  const good = { method: "POST", headers: { "x-kind": "newest" } };
  const meets = (url: string, more = good) => ruleFor(rules, asked(url, more)) !== undefined;
  expect(meets("http://a.example.COM/?v=2")).toBe(true);
  expect(meets("http://shop.test/?x=all")).toBe(true);
  expect(meets("http://example.com/?v=2")).toBe(false);
  expect(meets("http://shop.test/?v=3")).toBe(false);
  expect(meets("http://shop.test/?v=2", { ...good, method: "GET" })).toBe(false);
  expect(meets("http://shop.test/?v=2", { ...good, headers: { "x-kind": "old" } })).toBe(false);
});

test.each([
  ["200", 200, true],
  ["200,204", 204, true],
  ["200-299", 250, true],
  ["200-299", 300, false],
  ["200,300-302", 301, true],
])("the matcher %s takes %s: %s", (matcher, status, expected) => {
  expect(isGood(matcher, status)).toBe(expected);
});

test("a redirect keeps what it does not name", () => {
  const request = { protocol: "HTTP", host: "shop.test", port: 80, path: "/a", query: "b=c" };
  const to = (config: object) => redirectTo({ StatusCode: "HTTP_301", ...config }, request);
  expect(to({ Protocol: "HTTPS", Port: "443" })).toBe("https://shop.test/a?b=c");
  expect(to({ Host: "www.#{host}", Path: "/new/#{path}", Query: "" })).toBe("http://www.shop.test/new/a");
  expect(to({ Port: "8080" })).toBe("http://shop.test:8080/a?b=c");
});

test("turns are as the weights say, and evenly spread", () => {
  const turns = new Turns();
  const given = Array.from({ length: 20 }, () =>
    turns.next([
      ["old", 90],
      ["new", 10],
      ["none", 0],
    ]),
  );
  expect(given.flatMap((name, index) => (name === "new" ? [index % 10] : []))).toHaveLength(2);
  expect(given.slice(0, 10)).toContain("new");
  expect(given).not.toContain("none");
  expect(turns.next([["old", 0]])).toBeUndefined();
});
