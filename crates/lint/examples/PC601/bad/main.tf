variable "operators" {
  default = ["198.51.100.7/32", "1.0.0.0/0"]
}

locals {
  services = {
    postgres = { port = 5432, from = ["::/0"] }
    web      = { port = 443, from = ["0.0.0.0/0"] }
  }
}

resource "aws_security_group" "web" {
  description = "Web servers"

  # Members may talk to each other; what follows counts all the same.
  ingress {
    description = "Members"
    self        = true
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
  }
  ingress {
    description = "SSH for operators"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = var.operators
  }
  dynamic "ingress" {
    for_each = local.services
    content {
      description      = ingress.key
      from_port        = ingress.value.port
      to_port          = ingress.value.port
      protocol         = "tcp"
      ipv6_cidr_blocks = ingress.value.from
    }
  }
}

# Each half alone is half of the internet.
resource "aws_vpc_security_group_ingress_rule" "redis" {
  for_each          = toset(["0.0.0.0/1", "128.0.0.0/1"])
  description       = "Redis"
  security_group_id = aws_security_group.cache.id
  cidr_ipv4         = each.value
  from_port         = 6379
  to_port           = 6379
  ip_protocol       = "tcp"
}

resource "aws_security_group" "cache" {
  description = "Caches"
}

resource "aws_instance" "web" {
  vpc_security_group_ids = [aws_security_group.web.id, aws_security_group.cache.id]
}
