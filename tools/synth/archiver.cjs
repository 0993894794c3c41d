/**
 * Stands in for the package archiver where main.ts is bundled: cdktf loads that with all of its packages at each start,
 * for assets that it archives itself. Ours are archives already.
 */
module.exports = (...options) => require("../../node_modules/archiver")(...options);
