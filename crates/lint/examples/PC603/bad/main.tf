resource "aws_security_group" "db" {
  description = "Databases"
  ingress {
    description = "Everything that is private"
    from_port   = 5432
    to_port     = 5432
    protocol    = "tcp"
    cidr_blocks = ["10.0.0.0/8"]
  }
}
