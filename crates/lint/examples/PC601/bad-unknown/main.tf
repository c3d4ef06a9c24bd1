variable "from" {}
variable "port" {}

resource "aws_security_group" "unknown" {
  description = "Nobody knows"
  ingress {
    description = "Unknown source, known port"
    from_port   = 3389
    to_port     = 3389
    protocol    = "tcp"
    cidr_blocks = [var.from]
  }
  ingress {
    description = "Known source, unknown port"
    from_port   = var.port
    to_port     = var.port
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    description = "Unknown source, harmless port: a pass"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = [var.from]
  }
  dynamic "ingress" {
    for_each = var.more
    content {
      description = "Unknown altogether"
      from_port   = ingress.value
      to_port     = ingress.value
      protocol    = "tcp"
      cidr_blocks = ["10.0.0.0/24"]
    }
  }
}

variable "more" {
  type = list(number)
}
