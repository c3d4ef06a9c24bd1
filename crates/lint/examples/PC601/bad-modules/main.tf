module "bastion" {
  source = "./sg"
  ports  = [22, 443]
  from   = module.addresses.everyone
}

module "addresses" {
  source = "./addresses"
}
