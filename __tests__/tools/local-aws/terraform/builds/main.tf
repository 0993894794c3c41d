# A project whose builds run, and one whose builds a webhook would start.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = { source = "hashicorp/aws", version = "5.100.0" }
  }
}

provider "aws" {
  region            = "eu-west-1"
  s3_use_path_style = true
  max_retries       = 2
}

# Changed by the second apply.
variable "revision" {
  type    = string
  default = "1"
}

resource "aws_s3_bucket" "this" {
  bucket        = "proof-builds"
  force_destroy = true
}

resource "aws_iam_role" "build" {
  name = "proof-build"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "codebuild.amazonaws.com" }
    }]
  })
}

resource "aws_ssm_parameter" "token" {
  name  = "/proof/token"
  type  = "SecureString"
  value = "made-up-token"
}

resource "aws_secretsmanager_secret" "database" {
  name                    = "proof/database"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "database" {
  secret_id     = aws_secretsmanager_secret.database.id
  secret_string = jsonencode({ password = "made-up-password" })
}

resource "aws_codebuild_project" "app" {
  name          = "proof-app"
  service_role  = aws_iam_role.build.arn
  build_timeout = 5
  artifacts {
    type           = "S3"
    location       = aws_s3_bucket.this.id
    path           = "out"
    namespace_type = "BUILD_ID"
    name           = "app.zip"
    packaging      = "ZIP"
  }
  environment {
    compute_type = "BUILD_GENERAL1_SMALL"
    image        = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
    type         = "LINUX_CONTAINER"
    environment_variable {
      name  = "TOKEN"
      value = aws_ssm_parameter.token.name
      type  = "PARAMETER_STORE"
    }
    environment_variable {
      name  = "PASSWORD"
      value = "${aws_secretsmanager_secret.database.arn}:password"
      type  = "SECRETS_MANAGER"
    }
  }
  source {
    type     = "S3"
    location = "${aws_s3_bucket.this.id}/in/app.zip"
  }
}

resource "aws_codebuild_project" "review" {
  name           = "proof-review"
  description    = "Revision ${var.revision}"
  service_role   = aws_iam_role.build.arn
  source_version = "main"
  artifacts {
    type = "NO_ARTIFACTS"
  }
  environment {
    compute_type = "BUILD_GENERAL1_SMALL"
    image        = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
    type         = "LINUX_CONTAINER"
  }
  logs_config {
    cloudwatch_logs {
      group_name  = "/proof/review"
      stream_name = "revision-${var.revision}"
    }
  }
  source {
    type                = "GITHUB"
    location            = "https://github.com/acme/hello.git"
    git_clone_depth     = 1
    report_build_status = true
    buildspec           = "ci/review.yml"
    auth {
      type     = "SECRETS_MANAGER"
      resource = aws_secretsmanager_secret.database.arn
    }
  }
  secondary_sources {
    source_identifier = "tools"
    type              = "S3"
    location          = "${aws_s3_bucket.this.id}/tools/"
  }
  secondary_sources {
    source_identifier = "policies"
    type              = "GITHUB"
    location          = "https://github.com/acme/policies.git"
    auth {
      type     = "CODECONNECTIONS"
      resource = "arn:aws:codeconnections:eu-west-1:111111111111:connection/made-up"
    }
  }
  secondary_source_version {
    source_identifier = "policies"
    source_version    = "v${var.revision}"
  }
}

resource "aws_codebuild_webhook" "review" {
  project_name = aws_codebuild_project.review.name
  filter_group {
    filter {
      type    = "EVENT"
      pattern = "PULL_REQUEST_CREATED, PULL_REQUEST_UPDATED, PULL_REQUEST_REOPENED"
    }
    filter {
      type    = "BASE_REF"
      pattern = "^refs/heads/(main|release-${var.revision})$"
    }
    filter {
      type                    = "HEAD_REF"
      pattern                 = "^refs/heads/draft/"
      exclude_matched_pattern = true
    }
  }
}
