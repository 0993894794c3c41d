const OrdinaryEnvironment = require("./environment");

/**
 * The realm of all test files that this process runs, one after the other. To make one for each, and to load every package into
 * it anew, took more time than most tests. What a file leaves in it is taken away when the file ends.
 */
let realm;
let pristine;

/** Where jest keeps matchers, and what it counts. */
const MATCHERS = Symbol.for("$$jest-matchers-object");

class SharedEnvironment {
  constructor(...context) {
    realm ??= new OrdinaryEnvironment(...context);
    pristine ??= new Content(realm.global);
    const { global, moduleMocker, fakeTimers, fakeTimersModern } = realm;
    Object.assign(this, { global, moduleMocker, fakeTimers, fakeTimersModern });
  }

  /** Loads a package. What it puts into the global object is there for each file from then on. */
  static load(load, isOfJest) {
    return pristine.extendedBy(load, isOfJest);
  }

  /** Tells that a file has a package's module at hand: what it replaces in it, or in its classes, is put back. */
  static lend(exported) {
    pristine.lend(exported);
  }

  async setup() {}

  async teardown() {
    this.fakeTimers.useRealTimers();
    this.fakeTimersModern.useRealTimers();
    pristine.restore();
  }

  getVmContext() {
    return realm.getVmContext();
  }

  exportConditions() {
    return realm.exportConditions();
  }
}

/**
 * What is in a realm before a test: the properties of the global object, of the process, of its variables, and of what the
 * language brings, such as `Array` and its prototype; and who listens to the process.
 */
class Content {
  constructor(global) {
    this.global = global;
    this.properties = new Map();
    /** Of modules of packages and their classes; and those of them that the file at hand has. */
    this.packages = new Map();
    this.lent = new Set();
    for (const object of [global, global.process, global.process.env]) this.keep(object);
    for (const { value } of Object.values(Object.getOwnPropertyDescriptors(global)))
      for (const object of [value, typeof value === "function" && value.prototype])
        if (isObject(object) && !this.properties.has(object)) this.keep(object);
    this.listeners = listenersOf(global.process);
  }

  keep(object) {
    this.properties.set(object, Object.getOwnPropertyDescriptors(object));
  }

  extendedBy(load, isOfJest) {
    const before = new Set(Reflect.ownKeys(this.global));
    try {
      const exported = load();
      // Matchers of a test's own go with its file.
      const expect = isOfJest && exported.jestExpect;
      if (expect) [expect, expect.not, ...Object.values(this.global[MATCHERS])].map(this.keep, this);
      return exported;
    } finally {
      const known = this.properties.get(this.global);
      for (const key of Reflect.ownKeys(this.global))
        if (!before.has(key)) known[key] = Object.getOwnPropertyDescriptor(this.global, key);
    }
  }

  lend(exported) {
    if (this.lent.has(exported)) return;
    this.lent.add(exported);
    if (this.packages.has(exported)) return;
    const own = (object) => [object, Object.getOwnPropertyDescriptors(object)];
    const values = typeof exported === "function" ? [exported] : Object.values(exported ?? {});
    const classes = values.filter((value) => typeof value === "function" && value.prototype);
    const objects = [exported, ...classes.map(({ prototype }) => prototype)];
    this.packages.set(exported, objects.filter(isObject).map(own));
  }

  restore() {
    const { process } = this.global;
    for (const [name, listeners] of listenersOf(process))
      for (const listener of listeners)
        if (!this.listeners.get(name)?.includes(listener)) process.removeListener(name, listener);
    for (const [object, properties] of this.properties) {
      for (const key of Reflect.ownKeys(object))
        if (!Object.hasOwn(properties, key) && !isOfListeners(object, key)) delete object[key];
      putBack(object, properties);
    }
    // What is new in them stays: they make some of it when they are first used.
    for (const exported of this.lent)
      for (const [object, properties] of this.packages.get(exported)) putBack(object, properties);
    this.lent.clear();

    function putBack(object, properties) {
      for (const key of Reflect.ownKeys(properties)) {
        const now = Object.getOwnPropertyDescriptor(object, key);
        const { value, get, set } = properties[key];
        if ((now?.value === value && now?.get === get && now?.set === set) || isOfListeners(object, key))
          continue;
        Object.defineProperty(object, key, properties[key]);
      }
    }

    /** Where Node keeps who listens: those are gone, and what kept them may be another object by now. */
    function isOfListeners(object, key) {
      return object === process && (key === "_events" || key === "_eventsCount");
    }
  }
}

const isObject = (value) => value !== null && (typeof value === "object" || typeof value === "function");

const listenersOf = (process) =>
  new Map(process.eventNames().map((name) => [name, process.rawListeners(name)]));

module.exports = SharedEnvironment;
