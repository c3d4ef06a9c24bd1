resource "aws_security_group" "all" {
  description = "Meant to open everything, opens nothing"
  ingress {
    description = "All"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["10.0.0.0/24"]
  }
}
