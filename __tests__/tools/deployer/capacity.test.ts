import { appliesAtOnce, plansAtOnce } from "../../../tools/deployer/capacity";

const GIGABYTE = 1024 ** 3;

test("plans as many as there are cores, and applies more: those wait for AWS", () => {
  const machine = { cores: 4, memory: 64 * GIGABYTE };
  expect([plansAtOnce(machine), appliesAtOnce(machine)]).toEqual([4, 12]);
});

test("begins with no more than memory carries", () => {
  const machine = { cores: 16, memory: 2 * GIGABYTE };
  expect([plansAtOnce(machine), appliesAtOnce(machine)]).toEqual([3, 3]);
});

test("goes on with one where there is no memory left", () => {
  const machine = { cores: 2, memory: 0 };
  expect([plansAtOnce(machine), appliesAtOnce(machine)]).toEqual([1, 1]);
});

test("knows this machine", () => {
  expect(plansAtOnce()).toBeGreaterThanOrEqual(1);
  expect(appliesAtOnce()).toBeGreaterThanOrEqual(plansAtOnce());
});
