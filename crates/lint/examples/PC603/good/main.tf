resource "aws_vpc" "main" {
  cidr_block = "10.20.0.0/16"
}

resource "aws_security_group" "db" {
  description = "Databases"
  ingress {
    description = "The subnets of the application"
    from_port   = 5432
    to_port     = 5432
    protocol    = "tcp"
    cidr_blocks = [cidrsubnet(aws_vpc.main.cidr_block, 8, 3), "10.20.4.0/22"]
  }
}
