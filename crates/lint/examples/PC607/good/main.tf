resource "aws_default_security_group" "default" {
  vpc_id = aws_vpc.main.id
}

resource "google_project" "shop" {
  name                = "shop"
  project_id          = "shop"
  auto_create_network = false
}

resource "google_compute_instance" "web" {
  name = "web"
  network_interface {
    network = google_compute_network.main.id
  }
}
