import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serialize } from "node:v8";
import { App } from "cdktf";
import { previewTemplates, type Settings } from "../../settings";
import { DELIVERY_STACK, pipelineStackName } from "../../shared/names";
import { templateStackName } from "../../shared/previews";
import { createStacks, type StacksProps } from "../../stacks";
import { DeliveryStack } from "../../stacks/delivery";
import { PipelineStack } from "../../stacks/pipeline";
import { quickenSynth } from "../../tools/synth/quick";
import { frozen } from "./settings";
import type { SynthesizedStack } from "./synthesized";

// As main.ts does.
quickenSynth();

const DELIVERY_FUNCTIONS = [
  "delivery-cleanup",
  "delivery-pages",
  "delivery-report",
  "delivery-previews",
  "delivery-webhook",
  "release-check",
];
let bundles: string | undefined;
const bundled = new Set<string>();

/** Folder with an archive for each function of the settings; its content plays no part in a synth. */
export function functionBundles(settings: Settings): string {
  bundles ??= mkdtempSync(join(tmpdir(), "slipway-functions-"));
  for (const name of [...Object.keys(settings.functions), ...DELIVERY_FUNCTIONS]) {
    if (!bundled.has(name)) writeFileSync(join(bundles, `${name}.zip`), "an archive");
    bundled.add(name);
  }
  return bundles;
}

/**
 * What is synthesized of the same data is synthesized once for a file of tests: it takes most of the time of those that ask for
 * it, and nobody can change it.
 */
export function remembered<Data extends unknown[], Stack>(make: (...data: Data) => Stack) {
  const known = new Map<string, Stack>();
  return (...data: Data): Stack => {
    const key = serialize(data).toString("latin1");
    if (!known.has(key)) known.set(key, frozen(make(...data)));
    return known.get(key)!;
  };
}

/** Every stack of the settings, `bootstrap` among them where `only` does not say otherwise, as the JSON that Terraform gets. */
export const synthesize = remembered(
  (settings: Settings, { only, ...props }: Partial<StacksProps> = {}): Record<string, SynthesizedStack> => {
    const bundles = functionBundles(settings);
    const apps = only ? [only] : (["bootstrap", "all but bootstrap"] as const);
    return Object.assign(
      {},
      ...apps.map((only) =>
        synthesizeApp((app) =>
          createStacks(app, { settings, functionBundles: bundles, local: false, only, ...props }),
        ),
      ),
    );
  },
);

/** What all pipelines of the settings share, in a third of the time that all stacks take. */
export const synthesizeDelivery = remembered((settings: Settings): SynthesizedStack => {
  const deployment = { settings, functionBundles: functionBundles(settings), local: false };
  return synthesizeApp((app) => new DeliveryStack(app, deployment))[DELIVERY_STACK]!;
});

/** One pipeline of the settings, in a third of the time that all stacks take. */
export const synthesizePipeline = remembered<[Settings, name?: string], SynthesizedStack>(
  (settings, name = "main") => {
    const deployment = { settings, functionBundles: "", local: false };
    const stacks = synthesizeApp((app) => new PipelineStack(app, deployment, settings.pipelines[name]!));
    return stacks[pipelineStackName(name)]!;
  },
);

/** What pipelines of previews are made like: the first of the settings' templates. */
export const synthesizeTemplate = remembered((settings: Settings): SynthesizedStack => {
  const deployment = { settings, functionBundles: "", local: false };
  const [template] = previewTemplates(settings);
  const stacks = synthesizeApp((app) => new PipelineStack(app, deployment, template!.pipeline, template));
  return stacks[templateStackName(template!.name)]!;
});

function synthesizeApp(build: (app: App) => unknown): Record<string, SynthesizedStack> {
  const outdir = mkdtempSync(join(tmpdir(), "slipway-synth-"));
  const app = new App({ outdir });
  build(app);
  app.synth();
  return readStacks(outdir);
}

function readStacks(outdir: string): Record<string, SynthesizedStack> {
  const folder = join(outdir, "stacks");
  return Object.fromEntries(
    readdirSync(folder).map((name) => [
      name,
      JSON.parse(readFileSync(join(folder, name, "cdk.tf.json"), "utf8")),
    ]),
  );
}

/**
 * A stack as a snapshot shows it: documents inside strings parsed, hashes of assets fixed, cdktf's own notes
 * left out.
 */
export function normalize(stack: SynthesizedStack): unknown {
  const { "//": _notes, ...rest } = stack;
  return visit(rest);
}

function visit(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(visit);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([key]) => key !== "//")
        .map(([key, inner]) => [key, visit(inner)]),
    );
  }
  if (typeof value !== "string") return value;
  if (/^[[{]/.test(value)) {
    try {
      return { json: visit(JSON.parse(value)) };
    } catch {
      // Text that only begins like JSON.
    }
  }
  return value.replace(/(assets\/[^/"]+\/)[0-9A-F]{32}/g, "$1HASH");
}
