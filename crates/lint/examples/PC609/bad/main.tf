resource "aws_instance" "app" {
  ami                         = "ami-1"
  associate_public_ip_address = true
}

resource "aws_subnet" "app" {
  cidr_block              = "10.0.1.0/24"
  map_public_ip_on_launch = true
}

resource "aws_lb" "app" {
  name = "app"
}

resource "aws_lb" "shop" {
  name     = "shop"
  internal = false
}

resource "google_compute_instance" "app" {
  name = "app"
  network_interface {
    subnetwork = google_compute_subnetwork.app.id
    access_config {
    }
  }
}

variable "public" {}

resource "aws_instance" "other" {
  associate_public_ip_address = var.public
}
