import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { deliveryNames, stateBucketName, stateKeyAlias, tokenSecretName } from "../../shared/names";
import { demoEnvironment } from "../demo/environment";
import { Deployer } from "../deployer/deployer";
import { readStacks } from "../deployer/stacks";
import { startLocalAws } from "../local-aws";
import { UserError } from "../project";
import { projectSettings } from "../settings";
import { motoServer, terraform, terraformEnvironment } from "../toolchain";
import { type Benchmark, inTurn, seconds } from "./measure";

/** The plans of all stacks of the example by the deployer, against those that Terraform makes one after the other. */
export const benchmark: Benchmark = {
  name: "plans",
  // Half a minute a sample, most of it the baseline's.
  isSlow: true,
  lookAt: "docs/speed.md#plans",

  async run({ root, runs, log }) {
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
    const example = join(root, "terraform.tfvars.example");
    const settings = await projectSettings(example);
    const { account, region } = settings;
    const aws = await startLocalAws({ account, motoServer: await motoServer() });
    try {
      const env = demoEnvironment(process.env, { endpoint: aws.endpoint, region, githubToken: "" });
      const output = join(folder, "cdktf.out");
      cpSync(example, join(folder, "terraform.tfvars"));
      const app = [join(root, "tools/run.mjs"), "main.ts"];
      await seconds(process.execPath, app, { cwd: folder, env: { ...env, CDKTF_OUTDIR: output } });
      const stacks = readStacks(output);
      // What the plans of the pipelines read of what `bootstrap`, `delivery` and `connect` make.
      const config = {
        endpoint: aws.endpoint,
        region,
        credentials: { accessKeyId: "local", secretAccessKey: "local" },
      };
      const bucket = new CreateBucketCommand({
        Bucket: stateBucketName(settings),
        CreateBucketConfiguration: { LocationConstraint: region as "eu-west-1" },
      });
      await new S3Client({ ...config, forcePathStyle: true }).send(bucket);
      const token = new CreateSecretCommand({
        Name: tokenSecretName(settings),
        SecretString: JSON.stringify({ Token: "none" }),
      });
      await new SecretsManagerClient(config).send(token);
      const kms = new KMSClient(config);
      const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
      const TargetKeyId = KeyMetadata!.KeyId!;
      for (const AliasName of [stateKeyAlias(settings), deliveryNames(settings).keyAlias])
        await kms.send(new CreateAliasCommand({ AliasName, TargetKeyId }));

      /** As each is synthesized anew. */
      const forget = () => {
        for (const stack of stacks)
          for (const left of readdirSync(stack.folder).filter((name) => /^\.terraform|tfplan$/.test(name)))
            rmSync(join(stack.folder, left), { recursive: true, force: true });
      };
      const byDeployer = async () => {
        log("by the deployer");
        forget();
        const started = performance.now();
        const deployer = new Deployer({ stacks, env, onNews: () => {} });
        const { reviewed } = await deployer.plan();
        const took = (performance.now() - started) / 1000;
        for (const { name, failure } of reviewed.failed)
          throw new UserError(`${name} cannot be planned: ${failure}`);
        return took;
      };
      const { path } = await terraform();
      const tools = { ...(await terraformEnvironment()), GOGC: process.env.GOGC };
      const oneByOne = async () => {
        log("one by one");
        forget();
        let took = 0;
        for (const { folder: cwd } of stacks)
          for (const args of [
            ["init", "-input=false"],
            ["plan", "-input=false", "-lock=false"],
          ])
            took += await seconds(path, args, { cwd, env: { ...tools, ...env } });
        return took;
      };
      const { a, b } = await inTurn(runs, byDeployer, oneByOne);
      return [
        {
          what: `plans of ${stacks.length} stacks, and their review`,
          unit: "s",
          samples: a,
          baseline: { what: "init and plan, one by one, unread", samples: b },
          budget: { ratio: 0.6 },
        },
      ];
    } finally {
      await aws.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
