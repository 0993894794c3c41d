// Nothing of the caller's AWS or Terraform set-up may reach a test.
for (const key of Object.keys(process.env)) {
  if (/^(AWS_|TF_|CDKTF_|SLIPWAY_)/.test(key) && key !== "SLIPWAY_TOOLS") delete process.env[key];
}
