module "bastion" {
  source  = "terraform-aws-modules/security-group/aws"
  version = "~> 5.0"

  name                = "bastion"
  ingress_cidr_blocks = ["0.0.0.0/0"]
  ingress_rules       = ["ssh-tcp", "https-443-tcp", "all-icmp"]
  ingress_with_cidr_blocks = [
    {
      rule        = "postgresql-tcp"
      cidr_blocks = "10.0.0.0/24,0.0.0.0/0"
    },
    {
      from_port   = 8000
      to_port     = 8010
      protocol    = "tcp"
      cidr_blocks = "10.0.0.0/24"
    },
  ]
}

module "cache" {
  source              = "terraform-aws-modules/security-group/aws//modules/redis"
  name                = "cache"
  ingress_cidr_blocks = ["10.0.1.0/24", "::/0"]
}
