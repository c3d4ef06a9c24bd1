resource "aws_security_group" "edge" {
  description = "Load balancer of the shop"
  ingress {
    description = "HTTPS"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    description = "The listener was removed last year"
    from_port   = 8443
    to_port     = 8443
    protocol    = "tcp"
    cidr_blocks = ["203.0.113.7/32"]
  }
}

resource "aws_lb" "shop" {
  name            = "shop"
  internal        = false
  security_groups = [aws_security_group.edge.id]
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.shop.arn
  port              = 443
  protocol          = "HTTPS"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.shop.arn
  }
}

# Nobody can come: the group does not open it.
resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.shop.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_target_group" "shop" {
  port     = 8080
  protocol = "HTTP"
}

resource "aws_security_group" "ledger" {
  description = "Ledger"
}

resource "aws_vpc_security_group_ingress_rule" "ledger" {
  description                  = "MySQL, but the ledger is PostgreSQL"
  security_group_id            = aws_security_group.ledger.id
  referenced_security_group_id = aws_security_group.edge.id
  ip_protocol                  = "tcp"
  from_port                    = 3306
  to_port                      = 3306
}

resource "aws_db_instance" "ledger" {
  engine                 = "postgres"
  vpc_security_group_ids = [aws_security_group.ledger.id]
}
