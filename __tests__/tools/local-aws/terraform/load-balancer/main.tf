# A service behind a load balancer as the project's own: two listeners, two target groups, a task with a secret.

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

# How many tasks run; changed by the second apply.
variable "tasks" {
  type = number
}

resource "aws_vpc" "this" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "this" {
  count             = 2
  vpc_id            = aws_vpc.this.id
  cidr_block        = "10.0.${count.index}.0/24"
  availability_zone = "eu-west-1${count.index == 0 ? "a" : "b"}"
}

resource "aws_security_group" "this" {
  name   = "proof-web"
  vpc_id = aws_vpc.this.id
}

resource "aws_lb" "this" {
  name               = "proof-web"
  load_balancer_type = "application"
  subnets            = aws_subnet.this[*].id
  security_groups    = [aws_security_group.this.id]
}

resource "aws_lb_target_group" "this" {
  for_each             = toset(["blue", "green"])
  name                 = "proof-web-${each.key}"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = aws_vpc.this.id
  deregistration_delay = 30
  health_check {
    path                = "/health"
    matcher             = "200-299"
    interval            = 15
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "this" {
  for_each          = { production = 80, test = 9000 }
  load_balancer_arn = aws_lb.this.arn
  port              = each.value
  protocol          = "HTTP"
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "nobody"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "this" {
  for_each     = aws_lb_listener.this
  listener_arn = each.value.arn
  priority     = 1
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["blue"].arn
  }
  condition {
    path_pattern {
      values = ["/web*"]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = toset(["execution", "task"])
  name     = "proof-web-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_secretsmanager_secret" "this" {
  name                    = "proof-web"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id     = aws_secretsmanager_secret.this.id
  secret_string = jsonencode({ greeting = "hello" })
}

resource "aws_ecs_cluster" "this" {
  name = "proof-web"
}

resource "aws_ecs_task_definition" "this" {
  family                   = "proof-web"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "256"
  memory                   = "512"
  execution_role_arn       = aws_iam_role.this["execution"].arn
  task_role_arn            = aws_iam_role.this["task"].arn
  container_definitions = jsonencode([{
    name      = "web"
    image     = "public.ecr.aws/docker/library/node:22-alpine"
    essential = true
    command = [
      "node",
      "-e",
      "require('http').createServer((q,r)=>r.end(process.env.GREETING+' '+q.headers['x-forwarded-port'])).listen(8080)",
    ]
    portMappings = [{ containerPort = 8080, hostPort = 8080, protocol = "tcp" }]
    secrets      = [{ name = "GREETING", valueFrom = "${aws_secretsmanager_secret.this.arn}:greeting::" }]
  }])
}

resource "aws_ecs_service" "this" {
  name            = "web"
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.tasks
  launch_type     = "FARGATE"
  network_configuration {
    subnets         = aws_subnet.this[*].id
    security_groups = [aws_security_group.this.id]
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.this["blue"].arn
    container_name   = "web"
    container_port   = 8080
  }
  depends_on = [aws_lb_listener_rule.this, aws_secretsmanager_secret_version.this]
}

output "url" {
  value = "http://${aws_lb.this.dns_name}"
}
