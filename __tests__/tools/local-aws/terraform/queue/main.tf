# Rules give their events to a queue, the queue to a function, and the function tells a topic. The queue is not of this
# configuration: the provider takes half a minute to make one.

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

# ARN.
variable "queue" {
  type = string
}

variable "most_at_once" {
  type    = number
  default = 2
}

resource "aws_sns_topic" "this" {
  name = "proof-queue"
}

resource "aws_sns_topic_subscription" "all" {
  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = "all@example.com"
}

resource "aws_sns_topic_subscription" "failures" {
  topic_arn     = aws_sns_topic.this.arn
  protocol      = "email"
  endpoint      = "failures@example.com"
  filter_policy = jsonencode({ outcome = [{ "anything-but" = ["good"] }] })
}

locals {
  rules = {
    told  = { event_pattern = jsonencode({ source = ["proof"] }) }
    timed = { schedule_expression = "rate(1 minute)" }
    alien = { event_pattern = jsonencode({ source = ["alien"] }) }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each            = local.rules
  name                = "proof-${each.key}"
  event_pattern       = try(each.value.event_pattern, null)
  schedule_expression = try(each.value.schedule_expression, null)
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.rules
  rule     = aws_cloudwatch_event_rule.this[each.key].name
  arn      = var.queue
}

resource "aws_iam_role" "this" {
  name = "proof-queue"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "work"
  role = aws_iam_role.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        Resource = var.queue
      },
      { Effect = "Allow", Action = "sns:Publish", Resource = aws_sns_topic.this.arn },
    ]
  })
}

resource "aws_lambda_function" "this" {
  function_name                  = "proof-queue"
  role                           = aws_iam_role.this.arn
  runtime                        = "nodejs22.x"
  handler                        = "index.handler"
  filename                       = var.archive
  source_code_hash               = filebase64sha256(var.archive)
  timeout                        = 10
  reserved_concurrent_executions = 2
  environment {
    variables = { TOPIC = aws_sns_topic.this.arn }
  }
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn                   = var.queue
  function_name                      = aws_lambda_function.this.arn
  batch_size                         = 5
  maximum_batching_window_in_seconds = 1
  function_response_types            = ["ReportBatchItemFailures"]
  tags                               = { Name = "proof-queue" }
  scaling_config {
    maximum_concurrency = var.most_at_once
  }
  depends_on = [aws_iam_role_policy.this]
}
