import {
  DescribeImagesCommand,
  ECRClient,
  GetAuthorizationTokenCommand,
  type ImageDetail,
  paginateDescribeImages,
} from "@aws-sdk/client-ecr";
import { type EnvironmentSettings, imageRepositoryName, type Settings } from "../../settings";
import { DELIVERY_STACK } from "../../shared/names";
import { UserError } from "../project";

export interface StoredImage {
  /** sha256:… */
  readonly digest: string;
  /** Of its layers, compressed. */
  readonly bytes: number;
}

/** The repository of a service's images, in the build account. Its methods throw UserErrors. */
export class Repository {
  /** Host of the registry, as Docker names it. */
  readonly registry: string;
  /** The repository, as Docker names it. */
  readonly uri: string;
  private readonly client: ECRClient;
  private readonly place: { readonly registryId: string; readonly repositoryName: string };

  /** @param environment that the images are for: previews have repositories of their own @default - all others */
  constructor(settings: Settings, service: string, environment: Pick<EnvironmentSettings, "preview"> = {}) {
    const { account, region } = settings;
    const name = imageRepositoryName(settings, service, environment);
    this.registry = `${account}.dkr.ecr.${region}.amazonaws.com`;
    this.uri = `${this.registry}/${name}`;
    this.client = new ECRClient({ region });
    this.place = { registryId: account, repositoryName: name };
  }

  /** The image of a tag, if there is one. */
  async find(tag: string): Promise<StoredImage | undefined> {
    try {
      const { imageDetails = [] } = await this.client.send(
        new DescribeImagesCommand({ ...this.place, imageIds: [{ imageTag: tag }] }),
      );
      const [image] = imageDetails;
      return image && { digest: image.imageDigest ?? "", bytes: image.imageSizeInBytes ?? 0 };
    } catch (error) {
      if ((error as Error).name === "ImageNotFoundException") return undefined;
      throw this.told(error as Error);
    }
  }

  /** A tag of the image that was pushed last, if there is any. */
  async newestTag(): Promise<string | undefined> {
    const pushed = ({ imagePushedAt }: ImageDetail) => imagePushedAt?.getTime() ?? 0;
    let newest: ImageDetail | undefined;
    try {
      const pages = paginateDescribeImages(
        { client: this.client },
        { ...this.place, filter: { tagStatus: "TAGGED" } },
      );
      for await (const { imageDetails = [] } of pages)
        for (const image of imageDetails) if (!newest || pushed(image) > pushed(newest)) newest = image;
    } catch (error) {
      throw this.told(error as Error);
    }
    return newest?.imageTags?.[0];
  }

  /** A password for the registry, which lasts for twelve hours. */
  async password(): Promise<string> {
    const { authorizationData: [data] = [] } = await this.client
      .send(new GetAuthorizationTokenCommand({}))
      .catch((error: Error) => {
        throw this.told(error);
      });
    // "AWS:", and the password.
    return Buffer.from(data?.authorizationToken ?? "", "base64")
      .toString()
      .replace(/^AWS:/, "");
  }

  private told({ name, message }: Error): UserError {
    return name === "RepositoryNotFoundException"
      ? new UserError(
          `There is no repository ${this.uri}. The stack ${DELIVERY_STACK} makes it: npx cdktf deploy ${DELIVERY_STACK}`,
        )
      : new UserError(`ECR does not let the repository ${this.uri} be used (${name}: ${message}).`);
  }
}
