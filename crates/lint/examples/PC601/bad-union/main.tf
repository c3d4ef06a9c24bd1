# No rule alone lets in a quarter of the internet; together they let in more.
resource "aws_security_group" "search" {
  description = "Search"
  ingress {
    description = "First part"
    from_port   = 9200
    to_port     = 9200
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/3"]
  }
  ingress {
    description = "Second part"
    from_port   = 9000
    to_port     = 9400
    protocol    = "6"
    cidr_blocks = ["128.0.0.0/3"]
  }
}
