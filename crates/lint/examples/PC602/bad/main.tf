resource "aws_security_group" "db" {
  description = "Databases"
  ingress {
    description      = "The office, and everybody else at its provider"
    from_port        = 3306
    to_port          = 3306
    protocol         = "tcp"
    cidr_blocks      = ["10.0.0.0/24", "203.0.113.9/20"]
    ipv6_cidr_blocks = ["2001:db8::/32"]
  }
}
