resource "aws_default_security_group" "default" {
  vpc_id = aws_vpc.main.id
  ingress {
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_default_vpc" "default" {}

resource "google_project" "shop" {
  name                = "shop"
  project_id          = "shop"
  auto_create_network = true
}

resource "google_compute_instance" "web" {
  name = "web"
  network_interface {
    network = "default"
  }
}
