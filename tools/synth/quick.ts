import {
  DefaultTokenResolver,
  type IPostProcessor,
  type IResolvable,
  type IResolveContext,
  StringConcat,
  TerraformStack,
  Token,
} from "cdktf";
import type { IResolveOptions } from "cdktf/lib/tokens/private/resolve";
import cdktf from "cdktf/package.json";
import { Node } from "constructs";
import constructs from "constructs/package.json";

/** The versions that this was written for, and compared with. */
const WRITTEN_FOR = { cdktf: "0.21.0", constructs: "10.4.2" };

/**
 * Lets cdktf synthesize the same in half the time, and in time that grows with the number of resources. It replaces, in
 * this process:
 *
 * - the trace of where each token was made, which only an error tells: run with SLIPWAY_PLAIN_SYNTH=1 for it;
 * - how values are resolved, each of them three times: text and data without tokens are taken as they are;
 * - the search for a stack among what another depends on: every stack is looked at once, where cdktf goes every way
 *   that leads to it;
 * - a construct's path, which is put together once.
 *
 * @param installed - the versions at hand. @default - those of this process
 * @returns false where cdktf is left as it is: of another version nobody knows that it comes out the same
 */
export function quickenSynth(installed = { cdktf: cdktf.version, constructs: constructs.version }): boolean {
  if (installed.cdktf !== WRITTEN_FOR.cdktf || installed.constructs !== WRITTEN_FOR.constructs) return false;
  traces.captureStackTrace = () => NO_TRACE;
  resolving.resolve = (value, options) => resolve(value, options, placeOf(options.prefix));
  TerraformStack.prototype.dependsOn = dependsOn;
  rememberPaths();
  return true;
}

const NO_TRACE: string[] = [];

// cdktf's own modules, to be changed: what `import` gives cannot be.
const traces: { captureStackTrace: () => string[] } = require("cdktf/lib/tokens/private/stack-trace");
const resolving: {
  resolve: (value: unknown, options: IResolveOptions) => unknown;
} = require("cdktf/lib/tokens/private/resolve");
const {
  TokenString,
}: typeof import("cdktf/lib/tokens/private/encoding") = require("cdktf/lib/tokens/private/encoding");
const {
  TokenMap,
}: typeof import("cdktf/lib/tokens/private/token-map") = require("cdktf/lib/tokens/private/token-map");

/** Where a value is in what is resolved, for errors: most values have none, so that a list of keys is made when asked for. */
interface Place {
  readonly above: Place | undefined;
  readonly key: string;
  readonly depth: number;
}

const below = (above: Place | undefined, key: string): Place => ({ above, key, depth: depthOf(above) + 1 });
const depthOf = (place: Place | undefined) => (place ? place.depth : 0);
const placeOf = (prefix: readonly string[] = []) => prefix.reduce<Place | undefined>(below, undefined);

function prefixOf(place: Place | undefined): string[] {
  const keys: string[] = [];
  for (let one = place; one; one = one.above) keys.push(one.key);
  return keys.reverse();
}

const plainResolve = resolving.resolve;
// cdktf ends what goes deeper than 200 as a circle.
const DEEPEST = 190;

/** As cdktf's `resolve`. What is neither plain data nor a usual token goes there, as does each mistake. */
function resolve(value: unknown, options: IResolveOptions, place: Place | undefined): unknown {
  switch (typeof value) {
    case "string":
      if (hasNoToken(value)) return value;
      if (!value.includes(LIST_TOKEN) && value.includes(STRING_TOKEN))
        return resolveText(value, options, place);
      break;
    case "number":
      if (isNoToken(value)) return value;
      break;
    case "boolean":
    case "undefined":
      return value;
    case "object":
      if (value === null) return value;
      if (depthOf(place) > DEEPEST) break;
      if (Array.isArray(value)) {
        if (value.some(isListToken)) break;
        const list: unknown[] = [];
        for (let index = 0; index < value.length; index++) {
          const element = resolve(value[index], options, below(place, String(index)));
          if (element !== undefined) list.push(element);
        }
        return list;
      }
      if (isResolvable(value)) {
        if (Object.keys(value).some((key) => key.includes(MAP_TOKEN))) break;
        const context = new Context(options, place);
        return options.resolver.resolveToken(value, context, context);
      }
      if (isData(value)) {
        const keys = Object.keys(value);
        if (!keys.every(hasNoToken)) break;
        const data: Record<string, unknown> = {};
        for (const key of keys) {
          const resolved = resolve(value[key], options, below(place, key));
          if (resolved !== undefined) data[key] = resolved;
        }
        return data;
      }
  }
  return plainResolve(value, { ...options, prefix: prefixOf(place) });
}

const STRING_TOKEN = "${TfToken[";
const LIST_TOKEN = "#{TfToken[";
const MAP_TOKEN = "&{TfToken[";
const { STRING_MAP_TOKEN_VALUE, NUMBER_MAP_TOKEN_VALUE, ANY_MAP_TOKEN_VALUE } = Token as unknown as Record<
  string,
  unknown
>;
/** Numbers that stand for tokens are below -1e289; in text, cdktf looks for them wherever there is an exponent. */
const LIKE_NUMBER_TOKEN = /[\d.]e[+-]?\d{3}/;
const LEAST_NUMBER = -1e200;

const hasNoToken = (text: string) =>
  !text.includes("{TfToken[") &&
  !LIKE_NUMBER_TOKEN.test(text) &&
  text !== STRING_MAP_TOKEN_VALUE &&
  text !== ANY_MAP_TOKEN_VALUE;
const isNoToken = (number: number) => number > LEAST_NUMBER && number !== NUMBER_MAP_TOKEN_VALUE;
const isListToken = (element: unknown) =>
  typeof element === "string"
    ? element.includes(LIST_TOKEN)
    : typeof element === "number" && element < LEAST_NUMBER;
const isResolvable = (value: unknown): value is IResolvable =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as { resolve?: unknown }).resolve === "function";

function isData(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const ONE_TOKEN = /^\$\{TfToken\[([a-zA-Z0-9:._-]+)\]\}$/;
const tokens = TokenMap.instance();
const tokenOf = (key: string) => tokens.lookupToken(key);

function resolveText(text: string, options: IResolveOptions, place: Place | undefined): unknown {
  const context = new Context(options, place);
  const { resolver } = options;
  const alone =
    resolver.resolveString === DefaultTokenResolver.prototype.resolveString && ONE_TOKEN.exec(text);
  const resolved = alone
    ? textOf(context.resolve(tokenOf(alone[1]!)))
    : resolver.resolveString(
        TokenString.forString(text, !context.ignoreEscapes, context.warnEscapes).split(tokenOf),
        context,
      );
  if (typeof resolved === "string" && !LIKE_NUMBER_TOKEN.test(resolved)) return resolved;
  const numbers = TokenString.forNumbers(resolved as string);
  if (!numbers.test()) return resolved;
  return numbers
    .split((number) => tokens.lookupNumberToken(Number.parseFloat(number))!)
    .mapTokens(new Context(options, place))
    .join(new StringConcat());
}

/** What a text that is one token is, which need be no text. */
const textOf = (value: unknown) => (isResolvable(value) ? value.toString() : value);

/** What a token knows of where it is resolved. */
class Context implements IResolveContext, IPostProcessor {
  readonly preparing: boolean;
  readonly scope: IResolveContext["scope"];
  suppressBraces?: boolean;
  ignoreEscapes?: boolean;
  warnEscapes?: boolean;
  iteratorContext?: IResolveContext["iteratorContext"];
  private postProcessor?: IPostProcessor;

  constructor(
    private readonly options: IResolveOptions,
    private readonly place: Place | undefined,
  ) {
    this.preparing = options.preparing;
    this.scope = options.scope;
    const { previousContext } = options;
    if (!previousContext) return;
    this.suppressBraces = previousContext.suppressBraces;
    this.ignoreEscapes = previousContext.ignoreEscapes;
    this.warnEscapes = previousContext.warnEscapes;
    this.iteratorContext = previousContext.iteratorContext;
  }

  // cdktf's are plain functions, which tokens may hand on without their context.
  readonly registerPostProcessor = (postProcessor: IPostProcessor): void => {
    this.postProcessor = postProcessor;
  };

  readonly resolve = (value: unknown): unknown => {
    const { scope, preparing, resolver } = this.options;
    return resolve(value, { scope, preparing, resolver, previousContext: this }, this.place);
  };

  postProcess(value: unknown): unknown {
    return this.postProcessor ? this.postProcessor.postProcess(value, this) : value;
  }
}

/** Whether a stack stands, by whatever others, on another. */
function dependsOn(this: TerraformStack, other: TerraformStack): boolean {
  const seen = new Set<TerraformStack>(this.dependencies);
  for (const stack of seen) {
    if (stack === other) return true;
    for (const next of stack.dependencies) seen.add(next);
  }
  return false;
}

function rememberPaths(): void {
  const { get } = Object.getOwnPropertyDescriptor(Node.prototype, "path")!;
  Object.defineProperty(Node.prototype, "path", {
    configurable: true,
    get(this: Node & { [PATH]?: string }) {
      this[PATH] ??= get!.call(this) as string;
      return this[PATH];
    },
  });
}

const PATH = Symbol("path");
