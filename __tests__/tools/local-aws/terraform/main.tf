# What Local AWS has to bear: the same resources in the build account and, through an assumed role, in another.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = { source = "hashicorp/aws", version = "5.100.0" }
  }
  backend "s3" {
    bucket         = "proof-state"
    key            = "proof.tfstate"
    region         = "eu-west-1"
    encrypt        = true
    kms_key_id     = "arn:aws:kms:eu-west-1:111111111111:alias/proof-state"
    use_lockfile   = true
    use_path_style = true
  }
}

variable "package" {
  type = string
}

# Changed by the second apply.
variable "revision" {
  type    = string
  default = "1"
}

provider "aws" {
  region            = "eu-west-1"
  s3_use_path_style = true
  max_retries       = 2
  default_tags {
    tags = { project = "proof" }
  }
}

provider "aws" {
  alias             = "other"
  region            = "eu-west-1"
  s3_use_path_style = true
  max_retries       = 2
  assume_role {
    role_arn = "arn:aws:iam::222222222222:role/deploy"
  }
  default_tags {
    tags = { project = "proof" }
  }
}

module "build" {
  source   = "./account"
  account  = "111111111111"
  package  = var.package
  revision = var.revision
}

module "other" {
  source    = "./account"
  account   = "222222222222"
  package   = var.package
  revision  = var.revision
  providers = { aws = aws.other }
}
