resource "aws_security_group" "web" {
  description = "Web"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress = [{
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }]
}

resource "google_compute_firewall" "web" {
  name         = "web"
  network      = google_compute_network.main.id
  source_ranges = ["0.0.0.0/0"]
  dynamic "allow" {
    for_each = [22]
    content {
      protocol = "tcp"
      ports   = [allow.value]
    }
  }
}
