const { setFlagsFromString } = require("node:v8");
const vm = require("node:vm");
const { TestEnvironment } = require("jest-environment-node");

// Most of what tests run, they run too seldom for V8 to win back what it takes to optimize it, or to compile it again: a sixth of
// their processor time.
for (const flag of ["--interrupt-budget=600000", "--no-flush-bytecode"]) setFlagsFromString(flag);

/**
 * Jest's environment with an ordinary global object. The one of its own asks Node's code about every global that a test
 * reads, be it `Array` or `Error`: a sixth of all that the tests take. Before Node 20.18 there is no other.
 */
class OrdinaryEnvironment extends TestEnvironment {
  constructor(...context) {
    const { createContext } = vm;
    vm.createContext = () => createContext(vm.constants?.DONT_CONTEXTIFY);
    try {
      super(...context);
    } finally {
      vm.createContext = createContext;
    }
  }
}

module.exports = OrdinaryEnvironment;
