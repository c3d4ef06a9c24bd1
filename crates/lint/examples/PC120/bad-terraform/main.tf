resource "aws_security_group" "web" {
  description = "Web"
  ingress {
    from_port   = 22
    to_port     = 22
    portocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress = [{
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cdir_blocks = ["0.0.0.0/0"]
  }]
}

resource "google_compute_firewall" "web" {
  name         = "web"
  network      = google_compute_network.main.id
  sourceranges = ["0.0.0.0/0"]
  dynamic "allow" {
    for_each = [22]
    content {
      protcol = "tcp"
      ports   = [allow.value]
    }
  }
}
