# A function as the project's own: published, behind an alias with an address, with a log and dead letters.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = { source = "hashicorp/aws", version = "5.100.0" }
  }
}

provider "aws" {
  region      = "eu-west-1"
  max_retries = 2
}

# Path of the ZIP; changed by the second apply.
variable "archive" {
  type = string
}

resource "aws_iam_role" "this" {
  name = "proof-function"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/proof-function"
  retention_in_days = 7
}

resource "aws_sns_topic" "failed" {
  name = "proof-function-failed"
}

resource "aws_lambda_function" "this" {
  function_name                  = "proof-function"
  role                           = aws_iam_role.this.arn
  runtime                        = "nodejs22.x"
  handler                        = "index.handler"
  filename                       = var.archive
  source_code_hash               = filebase64sha256(var.archive)
  publish                        = true
  timeout                        = 20
  reserved_concurrent_executions = 5
  environment {
    variables = { GREETING = "hello" }
  }
  dead_letter_config {
    target_arn = aws_sns_topic.failed.arn
  }
  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.this.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "AWS_IAM"
}

resource "aws_lambda_function_url" "open" {
  function_name      = aws_lambda_function.this.function_name
  authorization_type = "NONE"
  cors {
    allow_origins = ["*"]
    allow_methods = ["GET"]
  }
}

output "live" {
  value = aws_lambda_function_url.live.function_url
}

output "open" {
  value = aws_lambda_function_url.open.function_url
}
