variable "operators" {
  default = ["198.51.100.7/32"]
}

data "http" "me" {
  url = "https://example.com/my-address"
}

resource "aws_security_group" "web" {
  description = "Web servers"
  ingress {
    description = "HTTPS for everybody"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    description = "SSH for operators, and for whoever applies this"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = concat(var.operators, ["${chomp(data.http.me.response_body)}/32"])
  }
  ingress {
    description     = "PostgreSQL for the application"
    from_port       = 5432
    to_port         = 5432
    protocol        = "tcp"
    security_groups = [aws_security_group.app.id]
  }
  egress {
    description = "Updates"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "app" {
  count       = 1
  description = "Application"
}

resource "aws_security_group_rule" "nothing" {
  count             = 0
  type              = "ingress"
  security_group_id = aws_security_group.app[0].id
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = ["0.0.0.0/0"]
}
