data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type = "Service"
      identifiers = [
        "codepipeline.amazonaws.com", "codebuild.amazonaws.com", "codedeploy.amazonaws.com",
        "ecs-tasks.amazonaws.com", "lambda.amazonaws.com", "vpc-flow-logs.amazonaws.com",
      ]
    }
  }
}

resource "aws_iam_policy" "boundary" {
  name   = "${local.name}-boundary"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:*", Resource = "*" }] })
}

resource "aws_iam_role" "all" {
  name                 = "${local.name}-all"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = aws_iam_policy.boundary.arn
  max_session_duration = 7200
}

resource "aws_iam_role_policy" "all" {
  name   = "all"
  role   = aws_iam_role.all.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "*" }] })
}

resource "aws_kms_key" "this" {
  description             = "proof ${var.revision}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "kms:*"
      Resource  = "*"
      Principal = { AWS = "arn:aws:iam::${var.account}:root" }
    }]
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this.id
}

data "aws_kms_alias" "s3" {
  name = "alias/aws/s3"
}

resource "aws_secretsmanager_secret" "token" {
  name                    = "${local.name}/token"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 0
}

data "aws_secretsmanager_secret_versions" "token" {
  secret_id          = aws_secretsmanager_secret.token.id
  include_deprecated = false
}

resource "aws_secretsmanager_secret_version" "hook" {
  secret_id     = aws_secretsmanager_secret.token.id
  secret_string = "made-up"
}

resource "aws_codestarconnections_connection" "this" {
  name          = "${local.name}-old"
  provider_type = "GitHub"
}

resource "aws_codeconnections_connection" "this" {
  name          = "${local.name}-new"
  provider_type = "GitHub"
  tags          = { revision = var.revision }
}

resource "aws_codeconnections_host" "this" {
  name              = "${local.name}-host"
  provider_type     = "GitHubEnterpriseServer"
  provider_endpoint = "https://git.example.com"
}

resource "aws_codestarconnections_host" "this" {
  name              = "${local.name}-host-old"
  provider_type     = "GitHubEnterpriseServer"
  provider_endpoint = "https://git.example.com/${var.revision}"
}

resource "aws_codebuild_report_group" "tests" {
  name           = "${local.name}-tests"
  type           = "TEST"
  delete_reports = true
  tags           = { revision = var.revision }
  export_config {
    type = "S3"
    s3_destination {
      bucket              = aws_s3_bucket.artifacts.id
      encryption_disabled = false
      encryption_key      = aws_kms_key.this.arn
      packaging           = "NONE"
      path                = "/reports"
    }
  }
}

resource "aws_codebuild_report_group" "kept" {
  name = "${local.name}-coverage"
  type = "CODE_COVERAGE"
  export_config {
    type = "NO_EXPORT"
  }
}

resource "aws_codebuild_project" "pipeline" {
  name                   = "${local.name}-build"
  description            = "Builds ${var.revision}"
  service_role           = aws_iam_role.all.arn
  build_timeout          = 20
  queued_timeout         = 60
  encryption_key         = aws_kms_key.this.arn
  concurrent_build_limit = 2
  tags                   = { revision = var.revision }
  artifacts {
    type = "CODEPIPELINE"
  }
  cache {
    type     = "S3"
    location = "${aws_s3_bucket.artifacts.id}/cache"
  }
  environment {
    compute_type    = "BUILD_GENERAL1_SMALL"
    image           = "aws/codebuild/amazonlinux-aarch64-standard:3.0"
    type            = "ARM_CONTAINER"
    privileged_mode = true
    environment_variable {
      name  = "REVISION"
      value = var.revision
    }
    environment_variable {
      name  = "TOKEN"
      value = aws_secretsmanager_secret.token.arn
      type  = "SECRETS_MANAGER"
    }
  }
  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.this.name
    }
    s3_logs {
      status   = "ENABLED"
      location = "${aws_s3_bucket.artifacts.id}/logs"
    }
  }
  source {
    type      = "CODEPIPELINE"
    buildspec = "version: 0.2"
  }
}

resource "aws_codebuild_project" "small" {
  name               = "${local.name}-review"
  service_role       = aws_iam_role.all.arn
  project_visibility = "PRIVATE"
  badge_enabled      = false
  source_version     = "main"
  artifacts {
    type = "NO_ARTIFACTS"
  }
  cache {
    type  = "LOCAL"
    modes = ["LOCAL_DOCKER_LAYER_CACHE", "LOCAL_SOURCE_CACHE"]
  }
  environment {
    compute_type = "BUILD_LAMBDA_1GB"
    image        = "aws/codebuild/amazonlinux-aarch64-lambda-standard:nodejs20"
    type         = "ARM_LAMBDA_CONTAINER"
  }
  source {
    type            = "GITHUB"
    location        = "https://github.com/acme/hello.git"
    git_clone_depth = 1
    buildspec       = "version: 0.2"
    git_submodules_config {
      fetch_submodules = true
    }
  }
}

resource "aws_codepipeline" "this" {
  name           = "${local.name}-main"
  role_arn       = aws_iam_role.all.arn
  pipeline_type  = "V2"
  execution_mode = "QUEUED"
  tags           = { revision = var.revision }
  artifact_store {
    type     = "S3"
    location = aws_s3_bucket.artifacts.id
    encryption_key {
      id   = aws_kms_key.this.arn
      type = "KMS"
    }
  }
  variable {
    name          = "REASON"
    default_value = "none"
    description   = "Why"
  }
  stage {
    name = "Source"
    action {
      name             = "Source"
      category         = "Source"
      owner            = "ThirdParty"
      provider         = "GitHub"
      version          = "1"
      namespace        = "Source"
      output_artifacts = ["source"]
      configuration = {
        Owner                = "acme"
        Repo                 = "hello"
        Branch               = "main"
        OAuthToken           = "ghp_made-up"
        PollForSourceChanges = "false"
      }
    }
  }
  stage {
    name = "Build"
    action {
      name             = "Build"
      category         = "Build"
      owner            = "AWS"
      provider         = "CodeBuild"
      version          = "1"
      input_artifacts  = ["source"]
      output_artifacts = ["built"]
      configuration    = { ProjectName = aws_codebuild_project.pipeline.name, BatchEnabled = "false" }
    }
    on_failure {
      result = "RETRY"
      retry_configuration {
        retry_mode = "FAILED_ACTIONS"
      }
    }
  }
  stage {
    name = "Deploy"
    before_entry {
      condition {
        result = "FAIL"
        rule {
          name          = "Quiet"
          configuration = { AlarmName = "alarm-${var.revision}", WaitTime = "1" }
          rule_type_id {
            category = "Rule"
            owner    = "AWS"
            provider = "CloudWatchAlarm"
            version  = "1"
          }
        }
      }
    }
    action {
      name      = "Approve"
      category  = "Approval"
      owner     = "AWS"
      provider  = "Manual"
      version   = "1"
      run_order = 1
      configuration = {
        CustomData = "Release ${var.revision}?"
      }
    }
    action {
      name               = "Apply"
      category           = "Build"
      owner              = "AWS"
      provider           = "CodeBuild"
      version            = "1"
      run_order          = 2
      timeout_in_minutes = 30
      input_artifacts    = ["built"]
      role_arn           = aws_iam_role.all.arn
      region             = local.region
      configuration      = { ProjectName = aws_codebuild_project.pipeline.name }
    }
    on_failure {
      result = "ROLLBACK"
    }
    on_success {
      condition {
        result = "ROLLBACK"
        rule {
          name          = "Healthy"
          configuration = { AlarmName = "healthy", WaitTime = "5" }
          rule_type_id {
            category = "Rule"
            provider = "CloudWatchAlarm"
            version  = "1"
          }
        }
      }
    }
  }
}

resource "aws_codepipeline" "connected" {
  name          = "${local.name}-connected"
  role_arn      = aws_iam_role.all.arn
  pipeline_type = "V2"
  artifact_store {
    type     = "S3"
    location = aws_s3_bucket.artifacts.id
  }
  trigger {
    provider_type = "CodeStarSourceConnection"
    git_configuration {
      source_action_name = "Source"
      push {
        branches {
          includes = ["main"]
        }
        file_paths {
          excludes = ["docs/**"]
        }
      }
    }
  }
  stage {
    name = "Source"
    action {
      name             = "Source"
      category         = "Source"
      owner            = "AWS"
      provider         = "CodeStarSourceConnection"
      version          = "1"
      output_artifacts = ["source"]
      configuration = {
        ConnectionArn    = aws_codeconnections_connection.this.arn
        FullRepositoryId = "acme/hello"
        BranchName       = "main"
      }
    }
  }
  stage {
    name = "Build"
    action {
      name            = "Build"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      input_artifacts = ["source"]
      configuration   = { ProjectName = aws_codebuild_project.pipeline.name }
    }
  }
}

resource "aws_codepipeline_webhook" "this" {
  name            = "${local.name}-hook"
  authentication  = "GITHUB_HMAC"
  target_action   = "Source"
  target_pipeline = aws_codepipeline.this.name
  authentication_configuration {
    secret_token = "made-up"
  }
  filter {
    json_path    = "$.ref"
    match_equals = "refs/heads/{Branch}"
  }
}

resource "aws_codedeploy_app" "service" {
  name             = "${local.name}-service"
  compute_platform = "ECS"
  tags             = { revision = var.revision }
}

resource "aws_codedeploy_app" "function" {
  name             = "${local.name}-function"
  compute_platform = "Lambda"
}

resource "aws_codedeploy_deployment_config" "canary" {
  deployment_config_name = "${local.name}-canary"
  compute_platform       = "ECS"
  traffic_routing_config {
    type = "TimeBasedCanary"
    time_based_canary {
      interval   = 5
      percentage = 10
    }
  }
}

resource "aws_codedeploy_deployment_group" "service" {
  app_name               = aws_codedeploy_app.service.name
  deployment_group_name  = "service"
  service_role_arn       = aws_iam_role.all.arn
  deployment_config_name = aws_codedeploy_deployment_config.canary.id
  alarm_configuration {
    enabled = true
    alarms  = [aws_cloudwatch_metric_alarm.this.alarm_name]
  }
  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"]
  }
  blue_green_deployment_config {
    deployment_ready_option {
      action_on_timeout = "CONTINUE_DEPLOYMENT"
    }
    terminate_blue_instances_on_deployment_success {
      action                           = "TERMINATE"
      termination_wait_time_in_minutes = var.revision == "1" ? 5 : 10
    }
  }
  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }
  ecs_service {
    cluster_name = aws_ecs_cluster.this.name
    service_name = aws_ecs_service.blue_green.name
  }
  load_balancer_info {
    target_group_pair_info {
      prod_traffic_route {
        listener_arns = [aws_lb_listener.live.arn]
      }
      test_traffic_route {
        listener_arns = [aws_lb_listener.test.arn]
      }
      target_group {
        name = aws_lb_target_group.this["blue"].name
      }
      target_group {
        name = aws_lb_target_group.this["green"].name
      }
    }
  }
}

resource "aws_codedeploy_deployment_group" "function" {
  app_name               = aws_codedeploy_app.function.name
  deployment_group_name  = "function"
  service_role_arn       = aws_iam_role.all.arn
  deployment_config_name = "CodeDeployDefault.LambdaLinear10PercentEvery1Minute"
  alarm_configuration {
    enabled = true
    alarms  = [aws_cloudwatch_metric_alarm.this.alarm_name, "revision-${var.revision}"]
  }
  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE"]
  }
  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }
}
