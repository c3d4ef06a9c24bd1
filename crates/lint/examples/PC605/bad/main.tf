resource "aws_security_group" "open" {
  description = "Everything"
  ingress {
    description = "All protocols"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "google_compute_firewall" "wide" {
  name          = "wide"
  network       = google_compute_network.main.name
  source_ranges = ["0.0.0.0/0"]
  allow {
    protocol = "tcp"
    ports    = ["30000-32767"]
  }
}
