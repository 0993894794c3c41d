import { readActionRuns } from "../../shared/action-executions";

const run = (actionName: string, second: number, id: string, stageName = "Build") => ({
  stageName,
  actionName,
  startTime: new Date(second * 1000),
  id,
});

const idsOf = async (...pages: ReturnType<typeof run>[][]) => {
  const runs = await readActionRuns(async (nextToken = "0") => ({
    actionExecutionDetails: pages[Number(nextToken)],
    nextToken: Number(nextToken) + 1 < pages.length ? String(Number(nextToken) + 1) : undefined,
  }));
  return runs.map((all) => all.map(({ id }) => id));
};

test("tells the runs of each action on all pages, oldest first, in the order in which the actions began", async () => {
  const pages = [[run("test", 5, "test again"), run("scan", 3, "scan")], [run("test", 2, "test")]];
  expect(await idsOf(...pages)).toEqual([["test", "test again"], ["scan"]]);
});

test("of runs that began at the same moment, takes the one told first for the newer one", async () => {
  expect(await idsOf([run("test", 2, "newer"), run("test", 2, "older")])).toEqual([["older", "newer"]]);
});

test("keeps actions of one name in two stages apart", async () => {
  expect(await idsOf([run("run", 2, "second", "Deploy"), run("run", 1, "first")])).toEqual([
    ["first"],
    ["second"],
  ]);
});

test("tells of no runs where there are none", async () => {
  expect(await idsOf([])).toEqual([]);
});
