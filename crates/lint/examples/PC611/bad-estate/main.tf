resource "aws_security_group" "machine" {
  description = "The machine that runs compose.yaml"
  ingress {
    description = "Application"
    from_port   = 8081
    to_port     = 8081
    protocol    = "tcp"
    cidr_blocks = ["203.0.113.7/32"]
  }
  ingress {
    description = "SSH"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["203.0.113.7/32"]
  }
}

resource "aws_instance" "machine" {
  vpc_security_group_ids = [aws_security_group.machine.id]
}
