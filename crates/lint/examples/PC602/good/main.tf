resource "aws_security_group" "db" {
  description = "Databases"
  ingress {
    description      = "The office"
    from_port        = 3306
    to_port          = 3306
    protocol         = "tcp"
    cidr_blocks      = ["203.0.113.9/32", "198.51.100.4/30"]
    ipv6_cidr_blocks = ["2001:db8:1:2::/64"]
  }
  ingress {
    description = "Web for a partner"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["203.0.113.0/24"]
  }
}
