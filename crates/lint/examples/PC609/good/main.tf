resource "aws_instance" "app" {
  ami                         = "ami-1"
  associate_public_ip_address = false
}

resource "aws_lb" "app" {
  name     = "app"
  internal = true
}

resource "google_compute_instance" "app" {
  name = "app"
  network_interface {
    subnetwork = google_compute_subnetwork.app.id
  }
}
