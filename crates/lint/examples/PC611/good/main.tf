resource "aws_security_group" "edge" {
  description = "Load balancer of the shop"
  dynamic "ingress" {
    for_each = toset([80, 443])
    content {
      description = "Web"
      from_port   = ingress.value
      to_port     = ingress.value
      protocol    = "tcp"
      cidr_blocks = ["0.0.0.0/0"]
    }
  }
}

resource "aws_lb" "shop" {
  name            = "shop"
  internal        = false
  security_groups = [aws_security_group.edge.id]
}

resource "aws_lb_listener" "web" {
  for_each          = { 80 = "HTTP", 443 = "HTTPS" }
  load_balancer_arn = aws_lb.shop.arn
  port              = each.key
  protocol          = each.value
}

# On a machine anything may listen.
resource "aws_security_group" "machine" {
  description = "Machines"
  ingress {
    description = "Application"
    from_port   = 4711
    to_port     = 4711
    protocol    = "tcp"
    cidr_blocks = ["10.0.0.0/24"]
  }
}

resource "aws_instance" "machine" {
  vpc_security_group_ids = [aws_security_group.machine.id]
}
