variable "ports" {}
variable "from" {}

resource "aws_security_group" "this" {
  description = "Made by a module"
}

resource "aws_security_group_rule" "in" {
  for_each          = { for port in var.ports : tostring(port) => port }
  type              = "ingress"
  description       = "From outside"
  security_group_id = aws_security_group.this.id
  from_port         = each.value
  to_port           = each.value
  protocol          = "tcp"
  cidr_blocks       = var.from
}

output "id" {
  value = aws_security_group.this.id
}
