output "everyone" {
  value = ["0.0.0.0/0"]
}
