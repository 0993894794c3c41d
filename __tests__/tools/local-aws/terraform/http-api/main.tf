# An HTTP API as the project's own: all requests to a function's alias, signed ones alone.

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

# Path of the function's ZIP.
variable "archive" {
  type = string
}

variable "authorization" {
  type    = string
  default = "AWS_IAM"
}

resource "aws_iam_role" "this" {
  name = "proof-api"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_lambda_function" "this" {
  function_name    = "proof-api"
  role             = aws_iam_role.this.arn
  runtime          = "nodejs22.x"
  handler          = "index.handler"
  filename         = var.archive
  source_code_hash = filebase64sha256(var.archive)
  publish          = true
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_apigatewayv2_api" "this" {
  name          = "proof-api"
  description   = "Address of a function"
  protocol_type = "HTTP"
  tags          = { Name = "proof-api" }
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.live.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "$default"
  target             = "integrations/${aws_apigatewayv2_integration.this.id}"
  authorization_type = var.authorization
}

resource "aws_cloudwatch_log_group" "this" {
  name = "/slipway/api/proof-api"
}

resource "aws_lambda_permission" "this" {
  statement_id  = "api"
  function_name = aws_lambda_function.this.function_name
  qualifier     = aws_lambda_alias.live.name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*"
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.this.arn
    format          = jsonencode({ status = "$context.status" })
  }
  default_route_settings {
    throttling_rate_limit  = 1000
    throttling_burst_limit = 500
  }
}

output "url" {
  value = aws_apigatewayv2_api.this.api_endpoint
}
