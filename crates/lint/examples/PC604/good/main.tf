resource "aws_security_group" "edge" {
  description = "Load balancer and VPN"
  ingress {
    description = "HTTPS"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    description = "WireGuard"
    from_port   = 51820
    to_port     = 51820
    protocol    = "udp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    description = "Published by compose.yaml"
    from_port   = 7777
    to_port     = 7777
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    description = "Only one address"
    from_port   = 7778
    to_port     = 7778
    protocol    = "tcp"
    cidr_blocks = ["203.0.113.7/32"]
  }
}
