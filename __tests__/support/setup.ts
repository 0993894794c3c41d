// Nothing of the caller's AWS or Terraform set-up may reach a test.
const OURS = ["SLIPWAY_TOOLS", "SLIPWAY_TEST_EFFORT"];
for (const key of Object.keys(process.env)) {
  if (/^(AWS_|TF_|CDKTF_|SLIPWAY_)/.test(key) && !OURS.includes(key)) delete process.env[key];
}
// package.json says which versions of Node are supported.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
