resource "aws_security_group" "app" {
  description = "Application"
  ingress {
    description = "Old debug console?"
    from_port   = 7777
    to_port     = 7777
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
