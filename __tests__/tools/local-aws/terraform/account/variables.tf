terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "account" {
  type = string
}

variable "package" {
  type = string
}

variable "revision" {
  type = string
}

data "aws_caller_identity" "this" {
  lifecycle {
    postcondition {
      condition     = self.account_id == var.account
      error_message = "These are the credentials of ${self.account_id}."
    }
  }
}

data "aws_availability_zones" "this" {
  state = "available"
}

locals {
  name   = "proof"
  region = "eu-west-1"
  bucket = "proof-${var.account}"
}
