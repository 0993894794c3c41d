import { join } from "node:path";
import { Construct } from "constructs";
import type { Settings } from "../settings";
import { DELIVERY_STACK, deliveryNames } from "../shared/names";
import type { Bucket } from "./bucket";
import { createFunction } from "./function";
import { createHttpApi } from "./http-api";
import { type IKey, SigningKey } from "./key";
import { physicalName } from "./naming";

export interface ReportPagesProps {
  readonly settings: Settings;
  /** Folder with `delivery-pages.zip`. */
  readonly bundles: string;
  /** Where the pages lie. */
  readonly reports: Bucket;
  readonly key: IKey;
}

/**
 * The address of the report pages. Everybody can ask it; it answers those alone who come with a link that was signed for
 * them and has not expired. The pages themselves stay in a private bucket.
 */
export class ReportPages extends Construct {
  /** Without a slash at its end. */
  readonly url: string;
  /** What links are signed by. */
  readonly key: SigningKey;

  constructor(scope: Construct, id: string, props: ReportPagesProps) {
    super(scope, id);
    const { settings, reports, bundles, key } = props;
    const { project, account } = settings;
    const name = physicalName("function", project, DELIVERY_STACK, "pages");
    this.key = new SigningKey(this, "signing-key", {
      alias: `${deliveryNames(settings).keyAlias}-links`,
      description: `Signs links to the report pages of ${project}`,
      account,
    });
    const { fn, role } = createFunction(this, {
      name,
      description: "Shows report pages to those who come with a signed link",
      roleDescription: `What the function ${name} may do`,
      archive: join(bundles, "delivery-pages.zip"),
      memory: 256,
      timeoutSeconds: 10,
      variables: { PROJECT: project, BUCKET: reports.name, SIGNING_KEY: this.key.arn },
      key,
      logRetentionDays: 365,
    });
    for (const pages of ["index.html", "runs/"]) reports.grantRead(role, pages);
    this.key.grantVerify(role);

    this.url = createHttpApi(this, {
      name,
      description: `Report pages of ${project}`,
      answeredBy: fn,
      // The function asks for the signature; mail programs send none of IAM's.
      authorization: "NONE",
      // A page is read by people.
      limits: { rate: 20, burst: 40 },
      // None of its own: it would hold signatures. The function logs who asked for what.
    });
  }
}
