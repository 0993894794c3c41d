/** Values of variables, by namespace and key. */
export type Namespaces = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** A variable that is not there, or is empty. */
export class UnresolvedVariable extends Error {}

const REFERENCE = /#\{([A-Za-z0-9@_-]+)\.([A-Za-z0-9@_-]+)\}/g;

/**
 * A text with the values of the variables that it refers to, as `#{namespace.KEY}`.
 *
 * @throws UnresolvedVariable
 */
export function resolveText(text: string, namespaces: Namespaces): string {
  return text.replace(REFERENCE, (reference, namespace: string, key: string) => {
    const values = namespaces.get(namespace) ?? {};
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    if (!value) throw new UnresolvedVariable(reference);
    return value;
  });
}

/**
 * An action's configuration with the values of its variables.
 *
 * @throws UnresolvedVariable
 */
export function resolveConfiguration(
  configuration: Readonly<Record<string, string>>,
  namespaces: Namespaces,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(configuration).map(([key, value]) => [
      key,
      key === "EnvironmentVariables" ? resolveList(value, namespaces) : resolveText(value, namespaces),
    ]),
  );
}

/** JSON, into whose strings the values go: a quote in one of them must not end its string. */
function resolveList(json: string, namespaces: Namespaces): string {
  let content: unknown;
  try {
    content = JSON.parse(json);
  } catch {
    // The action says what is wrong with it.
    return json;
  }
  return JSON.stringify(content, (_, value) =>
    typeof value === "string" ? resolveText(value, namespaces) : value,
  );
}
