resource "aws_security_group" "web" {
  name        = "web"
  description = "Load balancer of the shop"
  ingress {
    description = "HTTPS for everybody"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

output "group" {
  value = aws_security_group.web.id
}
